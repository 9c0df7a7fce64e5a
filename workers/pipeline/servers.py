"""Servers of a version that a repository states: `services: ["redis:7"]` starts redis 7."""

from __future__ import annotations

import msgspec

from workers.detect.analysis import Analysis
from workers.pipeline.images import Image, numbers
from workers.pipeline.templates import Template


def pinned(template: Template, analysis: Analysis) -> tuple[Template, tuple[str, ...]]:
    """`template` with the images of stated servers at their versions, and a note on each miss.

    The tags are those of images.yaml alone; a version that it lacks gets the nearest it has.
    """
    if "services" not in analysis.facts.get("stated", "").split():
        return template, ()
    images, notes = dict(template.images), []
    servers = template.body.get("servers", {})
    for service in analysis.services:
        wanted = numbers(service.version or "")
        if service.name not in servers or not wanted:
            continue
        row = servers[service.name]["image"]
        version, tag = _nearest(images[row], wanted)
        images[row] = msgspec.structs.replace(images[row], tag=tag)
        if not _within(numbers(version), wanted):
            notes.append(
                f"The repository states {service.name} {'.'.join(map(str, wanted))}; the table of"
                f" images has none, so the tests get {service.name} {version}."
            )
    return msgspec.structs.replace(template, images=images), tuple(notes)


def _nearest(image: Image, wanted: tuple[int, ...]) -> tuple[str, str]:
    """Version and tag: one that fits `wanted`, else the next newer, else the newest."""
    own = image.tag.partition("@")[0].partition("-")[0]
    rows = sorted({**image.tags, own: image.tag}.items(), key=lambda row: numbers(row[0]))
    fitting = [row for row in rows if _within(numbers(row[0]), wanted)]
    newer = [row for row in rows if numbers(row[0]) > wanted]
    return (fitting[-1:] or newer[:1] or rows[-1:])[0]


def _within(version: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether they agree as far as both are exact: 7 serves 7.2, and 8.4 serves 8."""
    exact = min(len(version), len(wanted))
    return version[:exact] == wanted[:exact]
