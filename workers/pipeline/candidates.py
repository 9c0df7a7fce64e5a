"""What a repository offers for each slot of a template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workers.detect.analysis import Analysis
from workers.errors import Rejected
from workers.pipeline import slots, stated
from workers.pipeline.images import Image, offered
from workers.pipeline.schema import Slot
from workers.pipeline.templates import Template


def of_all(
    declared: Mapping[str, Slot], template: Template, analysis: Analysis
) -> dict[str, tuple[str, ...]]:
    """Slot → allowed values, best first; an empty tuple where there is none.

    A command that the repository states is its slot's only value.
    """
    ecosystem = template.ecosystem or analysis.ecosystem
    found = {
        name: _of(slot, template.images, analysis, ecosystem) for name, slot in declared.items()
    }
    return found | {name: (text,) for name, text in stated.offers(analysis, ecosystem).items()}


def _of(
    slot: Slot, images: Mapping[str, Image], analysis: Analysis, ecosystem: str | None
) -> tuple[str, ...]:
    found = [slots.normalize(slot.kind, text) for text in _found(slot.from_, analysis)]
    if slot.kind == "version" and slot.image is not None:
        return _versions(slot, images[slot.image], found)
    good = [text for text in found if slots.accepts(slot.kind, text, ecosystem)]
    good = [text for text in good if not slot.default or text not in slot.same]
    if slot.kind == "choice":
        good = [text for text in good if text in slot.options] + list(slot.options)
    default = [slot.default] if slot.default else []
    ordered = [*default, *good] if slot.prefer == "default" else [*good, *default]
    return tuple(dict.fromkeys(ordered))


def _versions(slot: Slot, image: Image, found: list[str]) -> tuple[str, ...]:
    asked = found[0] if found else None
    values = offered(image, asked)
    if asked is None and slot.default in values:
        return (slot.default, *(value for value in values if value != slot.default))
    return values


def _found(fields: Iterable[str], analysis: Analysis) -> list[str]:
    """The texts that the analysis holds in `fields`: `version`, `commands.test`, `facts.module`."""
    texts: list[str] = []
    for field in fields:
        group, _, key = field.partition(".")
        value: object = getattr(analysis, group)
        if key and isinstance(value, Mapping):
            value = value.get(key)
        if isinstance(value, tuple):
            texts += [str(text) for text in value]
        elif value is not None:
            texts.append(str(value))
    return texts


def choose(candidates: Mapping[str, tuple[str, ...]], choices: Mapping[str, str]) -> dict[str, str]:
    """One value for each slot: the chosen one, else the best, else "".

    Raises Rejected for a choice that is not among its slot's candidates.
    """
    for name, value in choices.items():
        if value not in candidates.get(name, ()):
            raise Rejected(f"{value[:80]!r} is no candidate for {name[:40]!r} in this repository")
    return {
        name: choices.get(name, values[0] if values else "") for name, values in candidates.items()
    }
