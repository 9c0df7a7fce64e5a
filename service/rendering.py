"""HTML from `pages/`: escaped by Jinja everywhere, with the few filters that the pages use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sized
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from starlette.responses import HTMLResponse

from workers.runs import Progress, Run, State

HERE = Path(__file__).parent
MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOODS: Mapping[str, str] = {
    "succeeded": "good", "failed": "bad", "error": "bad", "skipped": "calm", "unconfirmed": "warn",
    "waiting_for_push": "warn", "accepted": "good", "run": "good", "duplicate": "calm",
    "ignored": "calm", "success": "good", "canceled": "calm", "ok": "good", "down": "bad",
    "degraded": "warn", "unconfigured": "calm",
}  # fmt: skip
"""How a state looks; what is not here is at work."""


class File(NamedTuple):
    """A static file: what it holds, and a tag that changes with it."""

    body: bytes
    media: str
    tag: str


class Step(NamedTuple):
    """A line of progress, with how long it took until the next; None for the last."""

    line: Progress
    seconds: float | None


class Pages:
    """The templates and static files, read when first asked for."""

    def __init__(self) -> None:
        self.files = {path.name: _file(path) for path in sorted((HERE / "static").iterdir())}
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "pages"), autoescape=True,
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._environment.filters |= {
            "time": as_time, "clock": as_clock, "link": safe_link, "mood": mood,
            "words": lambda text: str(text).replace("_", " "), "took": took, "count": count,
        }  # fmt: skip
        self._environment.globals["static"] = self._static

    def html(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page `name`.html."""
        return HTMLResponse(self._environment.get_template(f"{name}.html").render(values), status)

    def _static(self, name: str) -> str:
        return f"/static/{name}?{self.files[name].tag}"


def _file(path: Path) -> File:
    body = path.read_bytes()
    media = MEDIA.get(path.suffix, "application/octet-stream")
    return File(body, media, hashlib.sha256(body).hexdigest()[:12])


def _moment(value: str | float) -> datetime:
    """Of RFC 3339 text, unix seconds or unix milliseconds."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)


def as_time(value: str | float) -> str:
    """As `<time datetime>` wants it."""
    return _moment(value).isoformat(timespec="milliseconds")


def as_clock(value: str | float) -> str:
    """For people, UTC."""
    return _moment(value).strftime("%Y-%m-%d %H:%M:%S")


def took(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def count(things: Sized, name: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")


def safe_link(url: str | None) -> str:
    """An http address, else nothing: addresses come from GitLab, their scheme is not ours."""
    return url if url and url.startswith(("http://", "https://")) else ""


def mood(state: object) -> str:
    """How a state looks: good, bad, warn, calm or busy."""
    return MOODS.get(str(state), "busy")


def steps(lines: list[Progress]) -> list[Step]:
    """Progress with durations."""
    ends: list[Progress | None] = [*lines[1:], None]
    return [
        Step(line, (_moment(end.at) - _moment(line.at)).total_seconds() if end else None)
        for line, end in zip(lines, ends, strict=True)
    ]


PHASES = (
    ("Analyze", State.ANALYZING), ("Generate", State.GENERATING), ("Validate", State.VALIDATING),
    ("Commit", State.COMMITTING), ("Pipeline", State.AWAITING_PIPELINE), ("Learn", State.SUCCEEDED),
)  # fmt: skip


def phases(run: Run, lines: list[Progress]) -> list[tuple[str, str]]:
    """The way of a run: each phase's name, and whether it is done, now, ahead or where it ended."""
    seen = {line.state for line in lines} | {str(run.state)}
    reached = max((i for i, (_, state) in enumerate(PHASES) if str(state) in seen), default=-1)
    at_reached = "now" if run.active else "stopped"
    if run.state is State.SUCCEEDED:
        at_reached = "done"
    marks = ["done" if i < reached else at_reached for i in range(reached + 1)]
    marks += ["ahead"] * (len(PHASES) - len(marks))
    return [(name, mark) for (name, _), mark in zip(PHASES, marks, strict=True)]
