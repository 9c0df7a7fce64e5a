"""The index against a real Chroma: what it finds, and what happens without it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from workers.clients.chroma import QUERY_S, WRITE_S, Hit, Index, Item, Name
from workers.embedded import EmbeddedChroma
from workers.errors import Retryable

# Python 3.12 warns of a fork beside threads; the child here asks one question and ends.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

PATIENT_S = 5.0
"""For tests that are not about time: the machine may stall."""
LEARNED: Name = "successful_pipelines"


@pytest.fixture
def index(chroma_server: EmbeddedChroma) -> Iterator[Index]:
    """An index over an empty Chroma."""
    made = Index(chroma_server.url, PATIENT_S)
    yield made
    made.close()


def _item(id: str, *features: str, framework: str = "none") -> Item:
    metadata = {"language": "python", "framework": framework}
    return Item(id, features, metadata, f'{{"id":"{id}"}}')


def test_what_was_put_in_is_found_by_its_metadata(index: Index) -> None:
    """Equal language and framework; id, metadata and document come back as they were."""
    index.upsert(LEARNED, [_item("a", "pytest"), _item("b", "pytest", framework="flask")])
    assert index.find(LEARNED, {"language": "python", "framework": "flask"}) == [
        Hit("b", {"language": "python", "framework": "flask"}, '{"id":"b"}')
    ]
    assert {hit.id for hit in index.find(LEARNED, {"language": "python"})} == {"a", "b"}
    assert {hit.id for hit in index.find(LEARNED, {})} == {"a", "b"}
    assert index.find(LEARNED, {"language": "go"}) == []


def test_the_nearest_features_come_first(index: Index) -> None:
    """Of entries with the wanted metadata, the more words in common the earlier."""
    index.upsert(
        LEARNED,
        [
            _item("far", "uses:numpy", "uses:scipy", "test:unittest"),
            _item("near", "uses:flask", "test:pytest", "uses:celery"),
            _item("same", "uses:flask", "test:pytest", "uses:redis"),
            _item("other", "uses:flask", "test:pytest", "uses:redis", framework="flask"),
        ],
    )
    wanted = ("uses:flask", "test:pytest", "uses:redis")
    hits = index.nearest(LEARNED, wanted, {"language": "python", "framework": "none"}, limit=2)
    assert [hit.id for hit in hits] == ["same", "near"]
    assert hits[0].distance == pytest.approx(0, abs=1e-5)


def test_the_same_id_is_one_entry(index: Index) -> None:
    """Putting in twice replaces; taking out what is not there does no harm."""
    index.upsert(LEARNED, [_item("a", "x")])
    index.upsert(LEARNED, [_item("a", "y", framework="flask")])
    assert [hit.metadata["framework"] for hit in index.find(LEARNED, {})] == ["flask"]
    index.delete(LEARNED, ["a", "never"])
    index.delete(LEARNED, [])
    assert index.count(LEARNED) == 0


def test_entries_without_features_do_not_break_the_search(index: Index) -> None:
    """A repository of which nothing is known has a vector too."""
    index.upsert(LEARNED, [_item("bare")])
    assert [hit.id for hit in index.nearest(LEARNED, (), {"language": "python"})] == ["bare"]


def test_a_rebuild_replaces_everything_while_others_read(
    index: Index, chroma_server: EmbeddedChroma
) -> None:
    """More than one batch goes in, the old is gone, and a reader that knew the old collection
    finds the new one."""
    reader = Index(chroma_server.url, PATIENT_S)
    index.upsert(LEARNED, [_item("old", "x")])
    assert reader.count(LEARNED) == 1
    assert index.rebuild(LEARNED, (_item(f"new-{n}", f"f{n}") for n in range(1203))) == 1203
    assert reader.count(LEARNED) == 1203
    assert reader.find(LEARNED, {}, limit=2000)[0].id.startswith("new-")
    reader.close()


def test_an_unfinished_rebuild_does_not_hinder_the_next(index: Index) -> None:
    """A rebuild that broke off leaves its half behind; the next one starts from nothing."""

    def broken() -> Iterator[Item]:
        yield from (_item(f"half-{n}", "x") for n in range(500))
        raise OSError("the disk is full")

    index.upsert(LEARNED, [_item("old", "x")])
    with pytest.raises(OSError, match="disk"):
        index.rebuild(LEARNED, broken())
    assert [hit.id for hit in index.find(LEARNED, {})] == ["old"]
    assert index.rebuild(LEARNED, [_item("new", "x")]) == 1
    assert [hit.id for hit in index.find(LEARNED, {})] == ["new"]


def test_a_forked_child_asks_for_itself(index: Index) -> None:
    """A connection opened before a fork is not shared: both sides, asking different things at the
    same time, get their own answers."""
    index.upsert(LEARNED, [_item("a", "x"), _item("b", "x", framework="flask")])

    def right(framework: str, id: str) -> bool:
        where = {"framework": framework}
        return all([h.id for h in index.find(LEARNED, where)] == [id] for _ in range(150))

    assert right("none", "a")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if right("flask", "b") else 1)
        finally:
            os._exit(2)
    answers = right("none", "a")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert answers


def test_without_a_server_the_caller_is_told_at_once_and_then_spared() -> None:
    """Retryable, fast; after three failures nobody asks for 30 s, forked children included."""
    index = Index("http://127.0.0.1:1")
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(Retryable, match=r"^Chroma at http://127.0.0.1:1: "):
            index.find(LEARNED, {})
    assert time.monotonic() - started < 2
    child = os.fork()
    if child == 0:
        try:
            index.find(LEARNED, {})
        except Retryable as error:
            os._exit(0 if "left alone" in str(error) and 0 < error.after <= 30 else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    state = index.state()
    assert not state.ok
    assert "left alone" in state.detail


def test_a_server_that_hangs_costs_the_budget_and_no_more(tmp_path: Path) -> None:
    """Stopped in the middle, it is given up after 300 ms; awake again, it is used again."""
    with EmbeddedChroma(tmp_path) as server:
        assert server.pid is not None
        index = Index(server.url, PATIENT_S)
        index.upsert(LEARNED, [_item("a", "x")])
        assert index.state().ok
        index._timeout = QUERY_S  # from here on the budget of a run
        os.kill(server.pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Retryable, match=r"no answer within 0.3 s"):
            index.nearest(LEARNED, ("x",), {})
        assert time.monotonic() - started < 1
        os.kill(server.pid, signal.SIGCONT)
        patient = Index(server.url, PATIENT_S)
        assert patient.state().ok


def test_a_server_started_again_is_used_again(tmp_path: Path) -> None:
    """Killed between two questions: one failure, then the data is back."""
    server = EmbeddedChroma(tmp_path)
    with server:
        index = Index(server.url, PATIENT_S)
        index.upsert(LEARNED, [_item("a", "x")])
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(Retryable):
            index.count(LEARNED)
        server.start()
        assert index.url == server.url
        assert index.count(LEARNED) == 1


def test_a_proxy_of_the_environment_is_passed_by(
    chroma_server: EmbeddedChroma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY is for the internet: it does not stand between the program and its index."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.org")
    index = Index(chroma_server.url, PATIENT_S)
    assert index.state().ok
    assert "example.org" in os.environ["NO_PROXY"]
    index.close()


def test_given_up_calls_end(index: Index) -> None:
    """chromadb has no time-out of its own; the one we set on its HTTP client is in force."""
    assert index.count(LEARNED) == 0
    assert index._client._server._session.timeout == httpx.Timeout(WRITE_S)


def test_an_answer_that_chroma_cannot_give_is_retryable(index: Index) -> None:
    """Errors of the library, whatever their class, reach the caller as one of ours."""
    with pytest.raises(Retryable, match="^Chroma at "):
        index.find(LEARNED, {"language": "python"}, limit=-1)
