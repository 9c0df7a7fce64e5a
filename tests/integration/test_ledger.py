"""The ledger against a real Valkey: what is acknowledged is kept, once, and reaches a worker."""

from __future__ import annotations

import random
import time

import pytest
import redis
from rq.serializers import JSONSerializer

from workers import queues
from workers.errors import Rejected
from workers.events import Event
from workers.store.deliveries import key, now_ms
from workers.store.ledger import Ledger, Trigger
from workers.store.receiving import receive_call
from workers.store.runs import RunStore
from workers.store.turns import AT_ONCE, PAUSE_MS


def push(project: int = 7, after: str = "1", ref: str = "main") -> Event:
    return Event("push", project, "group/app", ref=ref, before="0", after=after)


@pytest.fixture
def ledger(redis_client: redis.Redis) -> Ledger:
    return Ledger(redis_client)


def test_a_delivery_is_kept_marked_and_wakes_a_worker(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """One call appends the event, marks the project and leaves a job that RQ itself can read."""
    receipt = ledger.receive(push(), "key-1")
    assert receipt.status == "accepted"
    row = ledger.delivery(receipt.delivery)
    assert row is not None and row.event == push() and row.verdict == "accepted"
    (job,) = queues.rq_queue("generate", redis_client).jobs
    assert (job.func_name, job.args, job.origin) == ("workers.jobs.generate", [7], "generate")
    assert ledger.project(7)["last_delivery"] == receipt.delivery


def test_the_same_delivery_by_key_or_by_content_is_a_duplicate(ledger: Ledger) -> None:
    """GitLab resends with the same key; two hooks say the same thing with different keys."""
    first = ledger.receive(push(), "key-1")
    again = ledger.receive(push(after="2"), "key-1")
    other = ledger.receive(push(), "key-2")
    assert {again.status, other.status} == {"duplicate"}
    assert again.delivery == other.delivery == first.delivery
    assert len(ledger.deliveries()) == 1
    assert ledger.receive(push(8), "key-1").status == "accepted", "another project's key"


def test_the_ledger_keeps_the_newest_and_nothing_of_those_before(
    ledger: Ledger, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What falls out of the stream takes along what was noted of it; one that is too long, as the
    program left it that cut whole blocks only, becomes shorter."""
    ids = [ledger.receive(push(after=str(number))).delivery for number in range(12)]
    monkeypatch.setattr("workers.store.receiving.STREAM_LENGTH", 5)
    ids += [ledger.receive(push(after=str(number))).delivery for number in range(12, 20)]
    assert [row.id for row in ledger.deliveries()] == ids[:-6:-1]
    noted = [key("delivery", delivery) for delivery in ids]
    assert redis_client.exists(*noted[:-5]) == 0 and redis_client.exists(*noted[-5:]) == 5
    assert [row.id for row in ledger.deliveries(project=7)] == ids[:-6:-1]


def test_a_dirty_project_is_woken_once_however_many_deliveries(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """A storm of events for one project costs one job, not one per event."""
    for number in range(50):
        ledger.receive(push(after=str(number)))
    assert redis_client.llen("rq:queue:generate") == 1
    work = ledger.take(7, "generate")
    assert work is not None and work.seq == 50 and len(work.triggers) == 50


def test_an_ignored_delivery_is_written_down_and_wakes_nobody(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """The echo of our own commit is in the ledger with its reason."""
    receipt = ledger.receive(push(ref="devops-backend/ci-12345678"))
    assert receipt.status == "ignored"
    row = ledger.delivery(receipt.delivery)
    assert row is not None and (row.verdict, row.reason) == ("ignored", "our own branch")
    assert redis_client.llen("rq:queue:generate") == 0
    assert ledger.take(7, "generate") is None


def test_work_is_held_by_one_and_what_comes_meanwhile_is_not_lost(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """A second worker gets nothing; an event during the work makes one more wake-up at its end."""
    ledger.receive(push(after="1"))
    work = ledger.take(7, "generate")
    assert work is not None and ledger.take(7, "generate") is None
    ledger.receive(push(after="2"))
    redis_client.delete("rq:queue:generate")
    ledger.done(work)
    assert redis_client.llen("rq:queue:generate") == 1
    more = ledger.take(7, "generate")
    assert more is not None and [t.kind for t in more.triggers] == ["push"]
    ledger.done(more)
    assert ledger.waiting("generate")[0] == 0 and ledger.take(7, "generate") is None


def test_a_flood_during_a_run_leaves_the_newest_reasons(ledger: Ledger) -> None:
    """300 pushes while 200 are carried out: the list holds 200, and none of them is taken for
    one of those that were carried out."""
    for n in range(1, 201):
        ledger.receive(push(after=f"{n:040x}"))
    work = ledger.take(7, "generate")
    assert work is not None and len(work.triggers) == 200
    for n in range(201, 501):
        ledger.receive(push(after=f"{n:040x}"))
    ledger.done(work)
    more = ledger.take(7, "generate")
    assert more is not None
    assert [int(trigger.sha, 16) for trigger in more.triggers] == list(range(301, 501))
    ledger.receive(push(after=f"{501:040x}"))
    ledger.done(more)
    last = ledger.take(7, "generate")
    assert last is not None and [int(t.sha, 16) for t in last.triggers] == [501]


def test_a_project_that_never_rests_lets_others_by(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """Ten turns at once, then one in some seconds: its work stays, and the ticker wakes it later.
    Another project, the other queue, and itself after a minute's rest wait for nothing."""
    for n in range(1, AT_ONCE + 1):
        ledger.receive(push(after=f"{n:040x}"))
        work = ledger.take(7, "generate")
        assert work is not None
        ledger.done(work)
    ledger.receive(push(after="a"))
    turn = ledger.take(7, "generate")
    assert turn is not None
    ledger.receive(push(after="b"))
    ledger.done(turn)
    assert ledger.take(7, "generate") is None and ledger.dirty("generate", now_ms()) == []
    assert ledger.dirty("generate", now_ms() + PAUSE_MS) == [7]
    assert not redis_client.exists(key("lease", "generate", 7))
    ledger.receive(push(after="c"))
    ledger.mark(7, "record")
    ledger.receive(push(project=8, after="c"))
    assert ledger.take(7, "record") and ledger.take(8, "generate")
    redis_client.pexpire(key("turns", "pause", "generate", 7), 1)
    time.sleep(0.01)
    again = ledger.take(7, "generate")
    assert again is not None and [t.sha for t in again.triggers] == ["b", "c"]
    assert all(redis_client.ttl(name) > 0 for name in redis_client.scan_iter("dob:turns:*"))


def test_a_key_never_stays_without_its_lifetime(ledger: Ledger, redis_client: redis.Redis) -> None:
    """Value and lifetime are one transaction: a worker that dies between them leaves neither."""
    ledger.want_poll(7, "run")
    RunStore(redis_client).remember_commit(7, "abc", "run")
    assert redis_client.ttl(key("polls", 7)) > 0 and redis_client.ttl(key("commits", 7)) > 0


def test_a_worker_that_lost_its_lease_cannot_say_done(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """After the lease ran out another worker owns the project; the late one changes nothing."""
    ledger.receive(push())
    late = ledger.take(7, "generate")
    assert late is not None
    redis_client.delete(key("lease", "generate", 7))
    owner = ledger.take(7, "generate")
    assert owner is not None
    ledger.done(late)
    assert not ledger.renew(late) and ledger.renew(owner)
    assert ledger.waiting("generate")[0] == 1


def test_lost_work_is_woken_again_only_when_nobody_holds_it(
    ledger: Ledger, redis_client: redis.Redis
) -> None:
    """The wake-up vanished with a dying worker: the ticker's call sends it again, once."""
    ledger.receive(push())
    redis_client.delete("rq:queue:generate")
    later = now_ms() + 1
    assert ledger.dirty("generate", later) == [7]
    assert ledger.wake(7, "generate", older_than_ms=later)
    assert not ledger.wake(7, "generate", older_than_ms=later - 1000)
    held = ledger.take(7, "generate")
    assert held is not None and not ledger.wake(7, "generate", older_than_ms=now_ms() + 10)


def test_due_work_goes_to_one_ticker_and_comes_back_unless_carried_out(ledger: Ledger) -> None:
    """Two tickers see the same due entry; one claims it; a claim that leads nowhere returns."""
    ledger.later("generate:7", now_ms() - 1)
    assert ledger.due(now_ms()) == ["generate:7"]
    again = now_ms() + 15_000
    assert ledger.claim("generate:7", again) and not ledger.claim("generate:7", again)
    assert ledger.due(now_ms()) == [] and ledger.due(again) == ["generate:7"]
    ledger.not_later("generate:7")
    assert ledger.due(again) == []


def test_the_newest_final_pipeline_event_is_heard_beside_the_newest_of_any(ledger: Ledger) -> None:
    """A late `running` does not hide the `success` that came before it."""
    for status in ("created", "success", "running"):
        ledger.receive(Event("pipeline", 7, sha="abc", pipeline_id=3, pipeline_status=status))
    heard = ledger.heard(7)
    assert heard["abc:final"].status == "success" and heard["abc"].status == "running"


def test_a_replay_is_work_again(ledger: Ledger) -> None:
    """Dedupe does not stand in the way of a person who replays a delivery."""
    receipt = ledger.receive(push())
    work = ledger.take(7, "generate")
    assert work is not None
    ledger.done(work)
    assert ledger.replay(receipt.delivery) and not ledger.replay("1-1")
    again = ledger.take(7, "generate")
    assert again is not None and again.triggers == (Trigger("push", receipt.delivery),)


def test_deliveries_page_backwards_and_by_project(ledger: Ledger) -> None:
    """Newest first; the cursor continues where the page ended; a filter fills its pages."""
    for number in range(10):
        ledger.receive(push(project=1 + number % 2, after=str(number)))
    first = ledger.deliveries(limit=4)
    second = ledger.deliveries(limit=4, before=first[-1].id)
    assert [row.event.after for row in first + second] == list("98765432")
    assert [row.event.after for row in ledger.deliveries(project=1)] == list("86420")


def test_shuffled_duplicates_keep_each_event_once(ledger: Ledger) -> None:
    """200 deliveries, each five times in any order: 200 rows, one wake-up per project."""
    events = [push(project=1 + n // 4, after=str(n)) for n in range(200)] * 5
    random.Random(5).shuffle(events)
    accepted = [ledger.receive(event).status for event in events].count("accepted")
    assert accepted == 200
    assert ledger.waiting("generate") == (50, 50)


def test_a_script_the_server_forgot_is_sent_again(redis_client: redis.Redis) -> None:
    """After SCRIPT FLUSH, as after a restart, the call still works."""
    redis_client.script_flush()
    assert receive_call(push()).run(redis_client)


def test_a_job_that_names_another_function_is_refused(redis_client: redis.Redis) -> None:
    """Whoever can write to Redis cannot make a worker import `os.system`."""
    queue = queues.rq_queue("generate", redis_client)
    job = queues.SafeJob.create(
        "os.system", args=("true",), connection=redis_client, serializer=JSONSerializer
    )
    queue.enqueue_job(job)
    (fetched,) = queue.jobs
    with pytest.raises(Rejected, match="not allowed"):
        fetched.func  # noqa: B018
