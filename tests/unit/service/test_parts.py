"""Small parts of the HTTP edge: preferences, names of branches, drawings, dates."""

from __future__ import annotations

import msgspec
import pytest

from service.graph import BOX, STAGES, draw
from service.pipelines import preferred_wait
from service.problems import Problem, status_of
from service.projects import checked_branch
from service.rendering import HERE, Pages, as_clock, as_time, count, phases, safe_link, steps, took
from service.waiting import stream_id
from workers import errors
from workers.runs import GraphJob, Progress, Project, Run, State, new_run


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5), ("WAIT=5", 5), ('wait="7"', 7), ("respond-async, wait=10", 10),
        ("wait=10; x=y", 10), ("wait = 10", 10), ("wait=121", 120), ("wait=999999999999", 120),
        ("", 0), ("wait", 0), ("wait=", 0), ("wait=-1", 0), ("wait=1.5", 0), ("wait=\u00b2", 0),
        ("waiting=5", 0), ("return=minimal", 0),
    ],
)  # fmt: skip
def test_prefer_wait(header: str, seconds: int) -> None:
    """RFC 7240: a list of preferences, of which `wait` is one; 120 s at most."""
    assert preferred_wait(header) == seconds


@pytest.mark.parametrize("name", ["main", "feature/x", "a", "release-1.2", "\u00fcber", "a@b"])
def test_names_of_branches(name: str) -> None:
    """What Git takes."""
    assert checked_branch(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-x", "/x", "x/", "a..b", "a//b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b",
     "a@{b", "x.lock", ".x", "x.", "a\nb", "a\x7f", "a" * 256],
)  # fmt: skip
def test_what_is_no_branch(name: str) -> None:
    """What git-check-ref-format refuses."""
    with pytest.raises(Problem):
        checked_branch(name)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound("x"), 404), (errors.Denied("x", 401), 403), (errors.Conflict("x"), 409),
        (errors.Rejected("x", 400), 422), (errors.Retryable("x"), 503), (errors.Unclear("x"), 503),
        (errors.Misconfigured("x"), 500), (errors.BackendError("x"), 500),
    ],
)  # fmt: skip
def test_an_error_has_the_status_that_says_what_to_do(
    error: errors.BackendError, status: int
) -> None:
    """By what the caller does next, not by what the other side answered."""
    assert status_of(error) == status


def test_a_drawing_has_nine_columns_and_every_job() -> None:
    """Stages in the contract's order, jobs below each other, needs as lines between them."""
    jobs = (
        GraphJob("compile", "compile"), GraphJob("unit", "test", ("compile",)),
        GraphJob("lint", "test", ("compile", "not-there")),
        GraphJob("learn_record", "learn", ("unit",)),
    )  # fmt: skip
    drawing = draw(jobs)
    assert drawing is not None
    assert tuple(stage.name for stage in drawing.stages) == STAGES
    assert [stage.name for stage in drawing.stages if not stage.empty] == [
        "compile",
        "test",
        "learn",
    ]
    boxes = {box.name: box for box in drawing.boxes}
    assert boxes["unit"].x == boxes["lint"].x and boxes["unit"].y < boxes["lint"].y
    assert boxes["compile"].x < boxes["unit"].x < boxes["learn_record"].x
    assert len(drawing.lines) == 3
    assert all(box.x + BOX[0] <= drawing.width for box in drawing.boxes)
    assert all(box.y + BOX[1] <= drawing.height for box in drawing.boxes)


def test_hidden_jobs_and_no_jobs_are_not_drawn() -> None:
    """A hidden job never runs."""
    assert draw(()) is None
    assert draw((GraphJob(".base", "test"),)) is None


def test_stages_of_others_come_last() -> None:
    """A run of an older version may have them."""
    drawing = draw((GraphJob("x", "deploy"),))
    assert drawing is not None and drawing.stages[-1].name == "deploy"


def line(state: State, at: str) -> Progress:
    return Progress(str(state), "x", at)


def run_in(state: State) -> Run:
    return msgspec.structs.replace(new_run(Project(1), "push"), state=state)


@pytest.mark.parametrize(
    ("state", "seen", "marks"),
    [
        (State.QUEUED, [], "......"), (State.ANALYZING, [], "n....."),
        (State.VALIDATING, [State.ANALYZING], "ddn..."), (State.SUCCEEDED, [], "dddddd"),
        (State.AWAITING_PIPELINE, [], "ddddn."), (State.SKIPPED, [State.ANALYZING], "s....."),
        (State.FAILED, [State.AWAITING_PIPELINE], "dddds."), (State.ERROR, [], "......"),
    ],
)  # fmt: skip
def test_phases_of_a_run(state: State, seen: list[State], marks: str) -> None:
    """Done, now, stopped, ahead."""
    letters = {"done": "d", "now": "n", "stopped": "s", "ahead": "."}
    lines = [line(s, "2026-01-01T00:00:00Z") for s in seen]
    assert "".join(letters[mark] for _, mark in phases(run_in(state), lines)) == marks


def test_steps_have_the_time_until_the_next() -> None:
    """None for the last."""
    lines = [line(State.QUEUED, f"2026-01-01T00:00:0{n}.500Z") for n in (0, 2, 3)]
    assert [step.seconds for step in steps(lines)] == [2.0, 1.0, None]


def test_times_and_durations_read_well() -> None:
    """RFC 3339, unix seconds and unix milliseconds are the same moment."""
    for value in ("2025-11-25T10:00:00Z", 1764064800.0, 1764064800000):
        assert as_clock(value) == "2025-11-25 10:00:00"
        assert as_time(value) == "2025-11-25T10:00:00.000+00:00"
    assert [took(s) for s in (0.004, 1.26, 75.0)] == ["4 ms", "1.3 s", "1 min 15 s"]
    assert [count([0] * n, "line") for n in (0, 1, 2)] == ["0 lines", "1 line", "2 lines"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [("https://x/y", "https://x/y"), ("http://x", "http://x"), ("javascript:x", ""), (None, ""),
     ("", ""), ("//x", ""), ("data:x", ""), (" https://x", ""), ("HTTPS:x", "")],
)  # fmt: skip
def test_links_are_http(url: str | None, shown: str) -> None:
    """All else is shown as text."""
    assert safe_link(url) == shown


@pytest.mark.parametrize(
    ("text", "id"),
    [("1-0", "1-0"), ("1795603613954-12", "1795603613954-12"), (None, "0"), ("", "0"), ("$", "0"),
     ("+", "0"), ("1", "0"), ("1-0 ", "0"), ("1-0\n", "0"), ("\u0661-\u0660", "0"),
     ("9" * 40, "0")],
)  # fmt: skip
def test_where_a_stream_goes_on(text: str | None, id: str) -> None:
    """Only what Redis wrote as an id; else from the beginning."""
    assert stream_id(text) == id


def test_pages_hold_no_script_and_no_style_of_their_own() -> None:
    """The policy forbids both, so none may be needed."""
    pages = list((HERE / "pages").glob("*.html"))
    assert len(pages) >= 8
    for page in pages:
        text = page.read_text()
        assert "|safe" not in text.replace(" ", "") and "autoescape" not in text, page.name
        assert " style=" not in text and "<style" not in text and " on" + "click" not in text
        assert text.count("<script") == text.count("<script src=")
    assert set(Pages().files) == {"app.css", "app.js", "icon.svg"}
