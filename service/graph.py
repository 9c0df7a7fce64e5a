"""A pipeline's stages and jobs as a drawing: a column per stage, a line per need."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workers.runs import GraphJob

COLUMN = 122
ROW = 42
BOX = (104, 30)
TOP = 40
LEFT = 4
NAME_MAX = 14
STAGES = (
    "compile", "build", "test", "sast", "quality", "security", "push", "notify", "learn",
)  # fmt: skip
"""The contract's nine, in order. Others would come after them."""


class Box(msgspec.Struct, frozen=True):
    """A job, with the upper left corner of its box."""

    name: str
    shown: str
    x: int
    y: int


class Line(msgspec.Struct, frozen=True):
    """From the right of a needed job to the left of the one that needs it; `path` is SVG's."""

    path: str


class Stage(msgspec.Struct, frozen=True):
    """A column's head."""

    name: str
    x: int
    empty: bool


class Drawing(msgspec.Struct, frozen=True):
    """Everything at its place, in SVG's units."""

    width: int
    height: int
    stages: tuple[Stage, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def draw(jobs: Sequence[GraphJob]) -> Drawing | None:
    """The drawing; None where there are no jobs. Hidden jobs (`.name`) never run: not drawn."""
    jobs = [job for job in jobs if not job.name.startswith(".")]
    if not jobs:
        return None
    others = sorted({job.stage for job in jobs} - set(STAGES))
    columns = {stage: number for number, stage in enumerate((*STAGES, *others))}
    boxes: dict[str, Box] = {}
    filled = dict.fromkeys(columns, 0)
    for job in jobs:
        row, filled[job.stage] = filled[job.stage], filled[job.stage] + 1
        x, y = LEFT + columns[job.stage] * COLUMN, TOP + row * ROW
        boxes[job.name] = Box(job.name, _short(job.name), x, y)
    lines = [_line(boxes[n], boxes[job.name]) for job in jobs for n in job.needs if n in boxes]
    stages = (Stage(s, LEFT + n * COLUMN, not filled[s]) for s, n in columns.items())
    width = 2 * LEFT + (len(columns) - 1) * COLUMN + BOX[0]
    height = TOP + max(filled.values()) * ROW
    return Drawing(width, height, tuple(stages), tuple(boxes.values()), tuple(lines))


def _line(start: Box, end: Box) -> Line:
    """A curve; one between far columns dips, so as not to run through the boxes between."""
    x1, y1 = start.x + BOX[0], start.y + BOX[1] // 2
    x2, y2 = end.x, end.y + BOX[1] // 2
    bend = max(14, (x2 - x1) // 2)
    if x2 - x1 > COLUMN:
        dip = max(y1, y2) + BOX[1] // 2 + 6
        middle = f"C {x1 + 12} {y1} {x1 + 6} {dip} {x1 + 24} {dip} L {x2 - 24} {dip} "
        return Line(f"M {x1} {y1} {middle}C {x2 - 6} {dip} {x2 - 12} {y2} {x2} {y2}")
    return Line(f"M {x1} {y1} C {x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}")


def _short(name: str) -> str:
    return name if len(name) <= NAME_MAX else name[: NAME_MAX - 1] + "…"
