"""The ticker and the decision about a project, against a real Valkey."""

from __future__ import annotations

import threading
import time
from typing import Any

import msgspec
import pytest
import redis

from workers.decide import decide
from workers.events import Event
from workers.runs import Options, Project, Run, State, new_run
from workers.store.dead import DeadLetters
from workers.store.deliveries import key, now_ms
from workers.store.due import DUE
from workers.store.ledger import Ledger, Trigger, Work
from workers.store.runs import RunStore
from workers.store.sweeps import SWEEP, Sweeps
from workers.ticker import LOST_AFTER_MS, Ticker


@pytest.fixture
def ledger(redis_client: redis.Redis) -> Ledger:
    return Ledger(redis_client)


@pytest.fixture
def runs(redis_client: redis.Redis) -> RunStore:
    return RunStore(redis_client)


def work(ledger: Ledger, *triggers: Trigger) -> Work:
    """What a worker takes after these triggers."""
    for trigger in triggers:
        ledger.mark(7, "generate", trigger)
    taken = ledger.take(7, "generate")
    assert taken is not None
    return taken


class TestTicker:
    """Due work, lost work, polls."""

    def test_due_work_wakes_a_worker_once(self, ledger: Ledger, redis_client: redis.Redis) -> None:
        """A retry whose time has come is marked and forgotten; the future is left alone."""
        ledger.later("generate:7", now_ms() - 1)
        ledger.later("generate:8", now_ms() + 60_000)
        ticker = Ticker(ledger)
        ticker.tick()
        ticker.tick()
        assert redis_client.llen("rq:queue:generate") == 1
        taken = ledger.take(7, "generate")
        assert taken is not None and taken.triggers == (Trigger("resume"),)
        assert ledger.due(now_ms() + 120_000) == ["generate:8"]

    def test_a_due_poll_asks_the_record_worker(self, ledger: Ledger) -> None:
        """The ticker itself asks GitLab nothing."""
        ledger.later("poll:7:0123abcd", now_ms() - 1)
        Ticker(ledger).tick()
        assert ledger.polls(7) == ["0123abcd"]
        assert ledger.take(7, "record") is not None
        assert ledger.due(now_ms() + 60_000) == ["poll:7:0123abcd"]

    def test_lost_work_is_sent_again_and_held_work_is_not(
        self, ledger: Ledger, redis_client: redis.Redis
    ) -> None:
        """A wake-up that vanished from RQ is replaced, unless somebody holds the project."""
        for project in (7, 8):
            ledger.receive(Event("push", project, ref="main", before="0", after="1"))
        redis_client.delete("rq:queue:generate")
        redis_client.zadd(key("dirty", "generate"), {"7": 1, "8": 1})
        assert ledger.take(8, "generate") is not None
        ticker = Ticker(ledger, taken_within_s=0)
        ticker.tick()
        ticker.tick()
        (job,) = redis_client.lrange("rq:queue:generate", 0, -1)
        assert str(job).startswith("b'generate-7-")
        assert LOST_AFTER_MS < 20_000

    def test_a_clock_that_was_ahead_puts_nothing_off(
        self, ledger: Ledger, redis_client: redis.Redis
    ) -> None:
        """Work planned or stamped for tomorrow, by a clock that has come back since, is taken up
        now; so is the next sweep. What is planned within bounds keeps its time."""
        tomorrow, soon = now_ms() + 86_400_000, now_ms() + 600_000
        ledger.later("generate:7", tomorrow)
        ledger.later("generate:9", soon)
        ledger.later(SWEEP, tomorrow)
        ledger.receive(Event("push", 8, ref="main", before="0", after="1"))
        redis_client.delete("rq:queue:generate")
        redis_client.zadd(key("dirty", "generate"), {"8": tomorrow})
        ticker = Ticker(ledger, Sweeps(redis_client, 600), ahead_s=960, taken_within_s=0)
        ticker.tick()
        ticker.tick()
        assert ledger.take(7, "generate") is not None
        assert redis_client.llen("rq:queue:generate") == 2
        assert redis_client.zscore(DUE, "generate:9") == soon
        assert SWEEP in ledger.due(soon)

    def test_busy_workers_are_not_flooded(self, ledger: Ledger, redis_client: redis.Redis) -> None:
        """As many wake-ups wait as projects have work: nothing is lost, nothing is added."""
        for project in range(1, 21):
            ledger.receive(Event("push", project, ref="main", before="0", after="1"))
        redis_client.zadd(key("dirty", "generate"), {str(p): 1 for p in range(1, 21)})
        Ticker(ledger).tick()
        assert redis_client.llen("rq:queue:generate") == 20

    def test_one_lost_among_many_that_wait_is_sent_again(
        self, ledger: Ledger, redis_client: redis.Redis
    ) -> None:
        """However many wake-ups wait for others, twice for some: whose own is gone gets another."""
        for project in range(1, 21):
            ledger.receive(Event("push", project, ref="main", before="0", after="1"))
        redis_client.zadd(key("dirty", "generate"), {str(p): 1 for p in range(1, 21)})
        for project in (1, 2, 3):
            ledger.wake(project, "generate", older_than_ms=now_ms())
        jobs: Any = redis_client.lrange("rq:queue:generate", 0, -1)
        (lost,) = [job for job in jobs if job.startswith(b"generate-7-")]
        redis_client.lrem("rq:queue:generate", 1, lost)
        redis_client.zadd(key("dirty", "generate"), {"1": 1, "2": 1, "3": 1})
        Ticker(ledger, taken_within_s=0).tick()
        added: Any = redis_client.lrange("rq:queue:generate", 22, -1)
        assert len(added) == 1 and added[0].startswith(b"generate-7-")

    @pytest.mark.parametrize("begun", [True, False])
    def test_what_was_cut_in_the_middle_comes_first(
        self, ledger: Ledger, redis_client: redis.Redis, begun: bool
    ) -> None:
        """A worker died over it while others came to wait: it does not queue up again behind them,
        as a wake-up does that only got lost."""
        for project in range(1, 6):
            ledger.receive(Event("push", project, ref="main", before="0", after="1"))
        redis_client.lpop("rq:queue:generate")
        work = ledger.take(1, "generate")
        assert work is not None
        if begun:
            DeadLetters(redis_client).began(work)
        ledger.free(1, "generate", work.token)
        redis_client.zadd(key("dirty", "generate"), {"1": 1})
        Ticker(ledger, taken_within_s=0).tick()
        jobs: Any = redis_client.lrange("rq:queue:generate", 0, -1)
        assert len(jobs) == 5 and jobs[0 if begun else -1].startswith(b"generate-1-")

    def test_what_a_worker_is_just_taking_up_is_not_lost(
        self, ledger: Ledger, redis_client: redis.Redis
    ) -> None:
        """Between RQ's list and the lease lies a fork: it has its time; after that it is lost."""
        ledger.receive(Event("push", 7, ref="main", before="0", after="1"))
        redis_client.zadd(key("dirty", "generate"), {"7": 1})
        redis_client.delete("rq:queue:generate")
        ticker = Ticker(ledger, taken_within_s=0.3)
        ticker.tick()
        assert redis_client.llen("rq:queue:generate") == 0
        time.sleep(0.3)
        ticker.tick()
        assert redis_client.llen("rq:queue:generate") == 1

    def test_it_ends_when_told(self, ledger: Ledger) -> None:
        """The loop leaves within a tick."""
        stop = threading.Event()
        thread = threading.Thread(target=Ticker(ledger).run, args=(stop,))
        thread.start()
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


class TestDecide:
    """Which run a project gets, if any."""

    def test_a_push_begins_a_run(self, ledger: Ledger, runs: RunStore) -> None:
        """Of the kind and with the delivery that made it."""
        found = decide(ledger, runs, work(ledger, Trigger("push", "5-1", sha="a")), now_ms())
        assert found.run is not None and found.run.version == 0
        assert (found.run.trigger.kind, found.run.trigger.delivery) == ("push", "5-1")

    def test_a_begun_run_is_carried_on(self, ledger: Ledger, runs: RunStore) -> None:
        """Its worker died, or the first push came: the same run."""
        begun = runs.create(new_run(Project(7), "project_created"))
        found = decide(ledger, runs, work(ledger, Trigger("push", "5-1", sha="a")), now_ms())
        assert found.run is not None and found.run.id == begun.id

    def test_a_requested_run_comes_first(self, ledger: Ledger, runs: RunStore) -> None:
        """A person's request is carried out, whatever events came with it."""
        asked = runs.create(new_run(Project(7), "retrigger", options=Options(force=True)))
        taken = work(ledger, Trigger("push", "5-1", sha="a"), Trigger("retrigger", run=asked.id))
        found = decide(ledger, runs, taken, now_ms())
        assert found.run is not None and found.run.id == asked.id

    def test_while_a_pipeline_is_awaited_pushes_begin_nothing(
        self, ledger: Ledger, runs: RunStore
    ) -> None:
        """The merge request is there; the reason names the run."""
        run = runs.create(new_run(Project(7), "push"))
        runs.update(run.id, lambda r: msgspec.structs.replace(r, state=State.AWAITING_PIPELINE))
        found = decide(ledger, runs, work(ledger, Trigger("push", "5-1", sha="b")), now_ms())
        assert found.run is None and run.id in found.reason

    @pytest.mark.parametrize(
        ("known", "trigger", "reason"),
        [
            ({"merge_request": 3}, Trigger("push", sha="b"), "merge request !3 is there already"),
            ({"settled": "archived", "settled_at": now_ms()}, Trigger("push", sha="b"), "archived"),
            ({"source_sha": "b"}, Trigger("push", sha="b"), "looked at already"),
            ({}, Trigger("project_renamed"), "nothing to do"),
            ({}, Trigger("project_destroyed"), "deleted"),
        ],
    )
    def test_standing_reasons(
        self,
        known: dict[str, str | int],
        trigger: Trigger,
        reason: str,
        ledger: Ledger,
        runs: RunStore,
    ) -> None:
        """An event that changes nothing costs no call, and says why."""
        ledger.note_project(7, known)
        found = decide(ledger, runs, work(ledger, trigger), now_ms())
        assert found.run is None and reason in found.reason

    def test_a_standing_reason_is_looked_at_again_after_a_day(
        self, ledger: Ledger, runs: RunStore
    ) -> None:
        """The pipeline that was there may be gone."""
        ledger.note_project(7, {"settled": "has a pipeline", "settled_at": 1})
        found = decide(ledger, runs, work(ledger, Trigger("push", sha="b")), now_ms())
        assert isinstance(found.run, Run)
