"""Runs in a real Valkey: compare-and-swap, indexes, progress."""

from __future__ import annotations

import msgspec
import pytest
import redis

from workers.errors import NotFound
from workers.runs import END, File, Project, Run, State, new_run, public
from workers.store.deliveries import key
from workers.store.ledger import Ledger
from workers.store.runs import Busy, RunStore


@pytest.fixture
def store(redis_client: redis.Redis) -> RunStore:
    return RunStore(redis_client)


def test_a_project_has_one_run_at_a_time(store: RunStore, redis_client: redis.Redis) -> None:
    """A second run is refused while the first is not over, and welcome afterwards."""
    first = store.create(new_run(Project(7), "push"))
    with pytest.raises(Busy) as busy:
        store.create(new_run(Project(7), "retrigger"))
    assert busy.value.run == first.id
    store.create(new_run(Project(8), "push"))
    store.update(first.id, lambda run: msgspec.structs.replace(run, state=State.SKIPPED))
    second = store.create(new_run(Project(7), "retrigger"))
    assert Ledger(redis_client).project(7)["active"] == second.id


def test_two_writers_lose_nothing(store: RunStore) -> None:
    """A change made on a stale copy is made again on the newest."""
    run = store.create(new_run(Project(7), "push"))

    def change(current: Run) -> Run:
        if current.version == 1:
            # Another writer is faster, once.
            store.update(run.id, lambda r: msgspec.structs.replace(r, source_sha="abc"), "other")
        return msgspec.structs.replace(current, reason="mine")

    after = store.update(run.id, change)
    assert (after.source_sha, after.reason, after.version) == ("abc", "mine", 3)


def test_runs_are_found_by_project_and_state_newest_first(store: RunStore) -> None:
    """Indexes follow every change of state; the cursor continues."""
    made = [store.create(new_run(Project(number), "push")) for number in range(1, 6)]
    for run in made[:2]:
        store.update(run.id, lambda r: msgspec.structs.replace(r, state=State.SUCCEEDED))
    newest = [run.id for run in reversed(made)]
    assert [run.id for run in store.page()] == newest
    page = store.page(limit=2)
    assert [run.id for run in store.page(limit=9, before=page[-1].id)] == newest[2:]
    assert [run.id for run in store.page(state="succeeded")] == newest[3:]
    assert [run.id for run in store.page(project=3)] == [made[2].id]
    assert store.page(project=3, state="succeeded") == []
    assert store.counts()["succeeded"] == 2 and store.counts()["queued"] == 3


def test_progress_can_be_followed_from_where_one_left(store: RunStore) -> None:
    """Each change of state is a line; `after` gives only what is new."""
    run = store.create(new_run(Project(7), "push"))
    store.update(run.id, lambda r: msgspec.structs.replace(r, state=State.ANALYZING), "reading")
    lines = store.progress(run.id)
    assert [(line.state, line.message) for line in lines] == [
        ("queued", "queued"), ("analyzing", "reading"),
    ]  # fmt: skip
    assert store.progress(run.id, lines[-1].id) == []


def test_what_the_api_shows_holds_the_contracts_fields_and_nothing_internal(
    store: RunStore,
) -> None:
    """The JSON of a run, as the contract lists it."""
    shown = public(store.create(new_run(Project(7, "a/b"), "push", "1-0")))
    assert set(shown) >= {
        "id", "project", "trigger", "state", "reason", "analysis", "reference", "generation",
        "validation", "files", "commit", "merge_request", "pipeline", "learned", "created_at",
        "updated_at",
    }  # fmt: skip
    assert not {"version", "attempts", "intent", "plan"} & set(shown)


def test_unknown_runs_are_not_found(store: RunStore) -> None:
    """Hostile ids are no key of ours."""
    for name in ("0" * 20, "", "x:y", "../..", "a" * 100):
        with pytest.raises(NotFound):
            store.get(name)
    assert State.SUCCEEDED in END and State.WAITING_FOR_PUSH not in END


def test_a_run_is_kept_packed_and_an_older_one_is_read(
    store: RunStore, redis_client: redis.Redis
) -> None:
    """A run holds its plan and its files: what is text in the API is a third of that in Redis. A
    program of before kept it as it is."""
    files = (File(".gitlab-ci.yml", "script: [make test]\n" * 500),)
    run = store.create(msgspec.structs.replace(new_run(Project(7), "push"), files=files))
    plain = msgspec.json.encode(run)
    kept = redis_client.hget(key("run", run.id), "json")
    assert kept is not None and len(kept) < len(plain) / 3
    redis_client.hset(key("run", run.id), "json", plain)
    assert store.get(run.id) == run == store.page()[0]
