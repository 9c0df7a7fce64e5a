"""Templates: YAML files that an operator reads and edits, composed along `extends` and checked.

A folder of templates holds one file for each template, `images.yaml` with the images they may
use, and `dockerfiles/`. An overlay folder of the same shape wins by id, by image name and by
Dockerfile name, so an organisation keeps its own beside ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from workers.errors import Misconfigured
from workers.pipeline import check_templates, strict_yaml
from workers.pipeline.images import Image, table
from workers.pipeline.resolve import merge
from workers.pipeline.schema import TemplateFile

Quality = Literal["template", "language_template", "builtin"]
BUILTIN = "default"
_CHECKOUT = Path(__file__).resolve().parents[2] / "templates"
_WHEEL = Path(__file__).resolve().parent / "templates"
_MAX_BYTES = 256 * 1024


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One template, composed with what it extends. `body` is its file with the others merged in."""

    id: str
    version: str
    summary: str
    language: str | None
    framework: str | None
    ecosystem: str | None
    body: Mapping[str, Any]
    images: Mapping[str, Image]
    texts: Mapping[str, str]
    """Contents of `dockerfiles/` by name."""


class Templates:
    """All templates in force."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self._by_id = dict(templates)

    @classmethod
    def load(cls, overlay: Path | None = None) -> Templates:
        """Read our templates, and those of `overlay` over them.

        Raises Misconfigured with file, key and cause for the first thing that is wrong.
        """
        ours = _CHECKOUT if _CHECKOUT.is_dir() else _WHEEL
        folders = [ours] if overlay is None else [ours, overlay]
        images: dict[str, Image] = {}
        texts: dict[str, str] = {}
        files: dict[str, _File] = {}
        for folder in folders:
            if not folder.is_dir():
                raise Misconfigured(f"TEMPLATES_DIR: {folder} is no folder")
            images |= _images(folder)
            texts |= {path.name: _read(path) for path in sorted(folder.glob("dockerfiles/*"))}
            files |= {file.head.id: file for file in _files(folder)}
        composed = {}
        for file in files.values():
            body = _compose(file, files)
            inherited = len(body["variants"]) - len(file.head.variants)
            check_templates.check(file.name, body, images, texts, inherited)
            if not file.head.abstract:
                composed[file.head.id] = _template(file.head, body, images, texts)
        if BUILTIN not in composed:
            raise Misconfigured(f"templates: {BUILTIN}.yaml, for unknown stacks, is gone")
        return cls(composed)

    def get(self, id: str) -> Template | None:
        return self._by_id.get(id)

    def all(self) -> tuple[Template, ...]:
        return tuple(self._by_id[id] for id in sorted(self._by_id))

    def best(self, language: str | None, framework: str | None) -> tuple[Template, Quality]:
        """The template of language and framework, else of the language, else the built-in."""
        if language is not None:
            wanted: list[tuple[str | None, Quality]] = [(None, "language_template")]
            if framework is not None:
                wanted.insert(0, (framework, "template"))
            for layer, quality in wanted:
                for template in self.all():
                    if (template.language, template.framework) == (language, layer):
                        return template, quality
        return self._by_id[BUILTIN], "builtin"


class _File(msgspec.Struct, frozen=True):
    name: str
    head: TemplateFile
    raw: dict[str, Any]


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise Misconfigured(f"{path}: is larger than {_MAX_BYTES // 1024} KiB")
        return data.decode()
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"{path}: is not UTF-8") from None


def _mapping(path: Path) -> dict[str, Any]:
    try:
        raw = strict_yaml.load(_read(path))
    except strict_yaml.StrictError as error:
        line = f"line {error.line}: " if error.line else ""
        raise Misconfigured(f"{path}: {line}{error}") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise Misconfigured(f"{path}: should be a mapping of names to values")
    return raw


def _images(folder: Path) -> dict[str, Image]:
    path = folder / "images.yaml"
    return table(_mapping(path), str(path)) if path.is_file() else {}


def _files(folder: Path) -> Iterator[_File]:
    for path in sorted(folder.glob("*.yaml")):
        if path.name == "images.yaml":
            continue
        raw = _mapping(path)
        try:
            head = msgspec.convert(raw, TemplateFile)
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{path}: {error}") from None
        if head.id != path.stem:
            raise Misconfigured(f"{path}: id: should be {path.stem!r}, the name of the file")
        yield _File(str(path), head, raw)


def _compose(file: _File, files: Mapping[str, _File]) -> dict[str, Any]:
    """The file's mapping merged over those it extends, the outermost first."""
    chain = [file]
    while (parent := chain[-1].head.extends) is not None:
        if parent not in files:
            raise Misconfigured(f"{chain[-1].name}: extends: there is no template {parent!r}")
        if any(link.head.id == parent for link in chain):
            raise Misconfigured(f"{file.name}: extends: {parent!r} comes back to itself")
        chain.append(files[parent])
    body: dict[str, Any] = {}
    for link in reversed(chain):
        body = merge(body, {k: v for k, v in link.raw.items() if k not in ("notes", "variants")})
        for key in ("notes", "variants"):
            body[key] = [*body.get(key, []), *link.raw.get(key, [])]
    return body


def _template(
    head: TemplateFile, body: dict[str, Any], images: dict[str, Image], texts: dict[str, str]
) -> Template:
    return Template(
        id=head.id,
        version=head.version,
        summary=head.summary,
        language=body.get("language"),
        framework=head.framework,
        ecosystem=body.get("ecosystem"),
        body=body,
        images=images,
        texts=texts,
    )
