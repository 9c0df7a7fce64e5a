"""Learned pipelines in a real Redis: counted once, corrected, ranked, carried over."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.keys import KEY
from workers.confidence import HALF_LIFE_S, lower_bound
from workers.errors import NotFound, Rejected
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Outcome, Provenance

DAY_S = 86400.0


def _record(
    version: str = "3.12",
    *,
    language: str = "python",
    framework: str | None = "fastapi",
    manager: str | None = "pip",
    features: tuple[str, ...] = (),
    project: int = 1,
) -> LearnedPipeline:
    return LearnedPipeline(
        language=language,
        framework=framework,
        package_manager=manager,
        template=f"{language}-{framework}",
        template_version="1",
        choices={"version": version},
        features=features,
        provenance=Provenance(project_id=project, namespace="group", run="run-1", pipeline=10),
    )


def _best(
    store: LearnedStore, language: str, framework: str | None, *more: Any, **named: Any
) -> LearnedPipeline | None:
    """As a project of the group that taught it asks."""
    return store.best(language, framework, *more, namespace="group", **named)


@pytest.fixture
def store(redis_client: redis.Redis) -> LearnedStore:
    """A store with nothing in it."""
    return LearnedStore(redis_client, KEY)


def test_a_proven_record_is_the_best_of_its_stack(store: LearnedStore) -> None:
    """One success makes it findable by language and framework, and by no other."""
    assert _best(store, "python", "fastapi") is None
    assert store.record_outcome(_record(), 10, "succeeded")
    best = _best(store, "python", "fastapi")
    assert best is not None
    assert (best.id, best.successes, best.failures) == (_record().id, 1, 0)
    assert best.confidence == pytest.approx(lower_bound(1, 0), abs=1e-4)
    assert best.proven
    assert _best(store, "python", None) is None
    assert _best(store, "python", "flask") is None
    assert _best(store, "go", "fastapi") is None


def test_no_framework_is_a_stack_of_its_own(store: LearnedStore) -> None:
    """A record without a framework is found for repositories without one."""
    store.record_outcome(_record(framework=None), 1, "succeeded")
    assert _best(store, "python", None) is not None
    assert _best(store, "python", "none") is None


def test_failure_is_kept_and_never_offered(store: LearnedStore) -> None:
    """A record that only failed is listed with its failures, and is nobody's best."""
    store.record_outcome(_record(), 1, "failed")
    store.record_outcome(_record(), 2, "unproven")
    shown = store.show(_record().id)
    assert (shown.successes, shown.failures, shown.proven) == (0, 1, False)
    assert _best(store, "python", "fastapi") is None
    assert _best(store, "python", "fastapi", also=[shown.id]) is None


def test_what_fails_more_than_it_succeeds_is_not_proven(store: LearnedStore) -> None:
    """One success against two failures of the same age is no better start than the template."""
    for pipeline, outcome in enumerate(("succeeded", "failed", "failed")):
        store.record_outcome(_record(), pipeline, outcome)  # type: ignore[arg-type]
    assert not store.show(_record().id).proven
    assert _best(store, "python", "fastapi") is None


def test_each_pipeline_counts_once(store: LearnedStore) -> None:
    """The same verdict again, as a retried command or a second event brings it, changes nothing."""
    at = time.time()
    assert store.record_outcome(_record(), 1, "succeeded", at)
    before = store.show(_record().id)
    assert not store.record_outcome(_record(), 1, "succeeded", at)
    assert not store.record_outcome(_record(), 1, "succeeded", at + 5)
    assert store.show(_record().id) == msgspec.structs.replace(
        before, confidence=pytest.approx(before.confidence)
    )


def test_a_retry_that_succeeds_takes_the_failure_back(store: LearnedStore) -> None:
    """failed → succeeded of one pipeline is one success; the other way round is one failure."""
    now = time.time()
    store.record_outcome(_record(), 1, "failed", now - 60)
    assert store.record_outcome(_record(), 1, "succeeded", now - 30)
    shown = store.show(_record().id)
    assert (shown.successes, shown.failures) == (1, 0)
    assert shown.confidence == pytest.approx(lower_bound(1, 0), abs=1e-4)
    store.record_outcome(_record(), 1, "failed", now)
    assert _best(store, "python", "fastapi") is None
    assert (store.show(_record().id).successes, store.show(_record().id).failures) == (0, 1)


def test_an_older_verdict_does_not_overwrite_a_newer_one(store: LearnedStore) -> None:
    """A failure heard late, of a time before the retry succeeded, is no news."""
    now = time.time()
    store.record_outcome(_record(), 1, "succeeded", now)
    assert not store.record_outcome(_record(), 1, "failed", now - 60)
    assert store.show(_record().id).successes == 1


def test_a_clock_ahead_of_ours_gives_no_extra_weight(store: LearnedStore) -> None:
    """An end in the future counts as one of now."""
    store.record_outcome(_record(), 1, "succeeded", time.time() + 400 * DAY_S)
    assert store.show(_record().id).confidence == pytest.approx(lower_bound(1, 0), abs=1e-4)


def test_evidence_ages(store: LearnedStore) -> None:
    """Ten successes two half-lives ago weigh as much as two and a half of today."""
    for pipeline in range(10):
        store.record_outcome(_record(), pipeline, "succeeded", time.time() - 2 * HALF_LIFE_S)
    shown = store.show(_record().id)
    assert shown.successes == 10
    assert shown.confidence == pytest.approx(lower_bound(2.5, 0), abs=1e-4)


def test_the_better_record_wins(store: LearnedStore) -> None:
    """Many successes beat few; a spotless short record beats a long one that fails a third."""
    for pipeline in range(20):
        store.record_outcome(_record("3.11"), pipeline, "succeeded")
    for pipeline in range(100, 102):
        store.record_outcome(_record("3.12"), pipeline, "succeeded")
    for pipeline in range(200, 230):
        store.record_outcome(_record("3.13"), pipeline, "failed" if pipeline % 3 else "succeeded")
    best = _best(store, "python", "fastapi")
    assert best is not None
    assert best.choices == {"version": "3.11"}


def test_among_equals_the_nearest_features_win(store: LearnedStore) -> None:
    """The same confidence: the record whose project used the same tools."""
    at = time.time()
    store.record_outcome(
        _record("3.11", features=("test:pytest", "uses:redis")), 1, "succeeded", at
    )
    store.record_outcome(_record("3.12", features=("test:unittest",)), 2, "succeeded", at)
    for wanted, version in (("test:pytest", "3.11"), ("test:unittest", "3.12")):
        best = _best(store, "python", "fastapi", [wanted])
        assert best is not None
        assert best.choices == {"version": version}


def test_the_same_package_manager_comes_first(store: LearnedStore) -> None:
    """A record of poetry is not preferred for pip however good; without one of pip it serves."""
    for pipeline in range(9):
        store.record_outcome(_record("3.11", manager="poetry"), pipeline, "succeeded")
    store.record_outcome(_record("3.12", manager="pip"), 99, "succeeded")
    for manager, version in (("pip", "3.12"), ("poetry", "3.11"), ("uv", "3.11")):
        best = _best(store, "python", "fastapi", package_manager=manager)
        assert best is not None
        assert best.choices == {"version": version}


def test_the_caller_may_turn_records_down(store: LearnedStore) -> None:
    """As when a record's template is gone: the next best is offered."""
    for pipeline in range(9):
        store.record_outcome(_record("3.11"), pipeline, "succeeded")
    store.record_outcome(_record("3.12"), 99, "succeeded")
    best = _best(store, "python", "fastapi", accept=lambda r: r.choices["version"] != "3.11")
    assert best is not None
    assert best.choices == {"version": "3.12"}


def test_ids_from_elsewhere_decide_nothing(store: LearnedStore) -> None:
    """An id that somebody wrote into the index is looked up here: unknown, or of another stack,
    it is passed over."""
    store.record_outcome(_record(language="go", framework="gin"), 1, "succeeded")
    stranger = _record(language="go", framework="gin").id
    assert _best(store, "python", "fastapi", also=[stranger, "python-fastapi-made-up"]) is None


def test_the_record_tells_of_the_pipeline_that_proved_it(store: LearnedStore) -> None:
    """The first success is its provenance, not the failure before it nor a success after it."""
    store.record_outcome(_record(project=1), 1, "failed")
    store.record_outcome(_record(project=2), 2, "succeeded")
    store.record_outcome(_record(project=3), 3, "succeeded")
    assert store.show(_record().id).provenance.project_id == 2


def test_lists_go_page_by_page(store: LearnedStore) -> None:
    """Every record once, by language and framework; a language alone on request."""
    stacks = [("c", None), ("cpp", None), ("go", "gin"), ("python", "django"), ("python", None)]
    for pipeline, (language, framework) in enumerate(stacks):
        store.record_outcome(_record(language=language, framework=framework), pipeline, "succeeded")
    seen, cursor = [], None
    while True:
        page = store.list(cursor, 2)
        seen += [(r.language, r.framework) for r in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == stacks
    assert [r.language for r in store.list(language="c").items] == ["c"]
    assert [r.framework for r in store.list(language="python").items] == ["django", None]
    assert list(store) == list(store.list().items)
    assert store.list(language="ruby").items == ()


def test_forgetting_leaves_nothing(store: LearnedStore, redis_client: redis.Redis) -> None:
    """Record, outcomes and places in every list go; only the index is told to drop it, too."""
    store.record_outcome(_record(), 1, "succeeded")
    store.forget(_record().id)
    assert _best(store, "python", "fastapi") is None
    assert store.list().items == ()
    assert store.unindexed() == (_record().id,)
    assert redis_client.keys("*") == [b"dob:learned:unindexed"]
    for forget in (store.show, store.forget):
        with pytest.raises(NotFound, match=_record().id):
            forget(_record().id)


def test_the_index_hears_of_what_changed(store: LearnedStore) -> None:
    """A record that becomes proven, or ceases to be, waits for the index; others do not."""
    store.record_outcome(_record("3.11"), 1, "failed")
    assert store.unindexed() == ()
    store.record_outcome(_record("3.12"), 2, "succeeded")
    assert store.unindexed() == (_record("3.12").id,)
    store.indexed(store.unindexed())
    store.record_outcome(_record("3.12"), 3, "succeeded")
    assert store.unindexed() == ()
    store.record_outcome(_record("3.12"), 2, "failed")
    assert store.unindexed() == ()
    store.record_outcome(_record("3.12"), 3, "failed")
    assert store.unindexed() == (_record("3.12").id,)


def test_an_export_makes_the_same_records_elsewhere(
    store: LearnedStore, redis_client: redis.Redis
) -> None:
    """JSON lines; imported into an empty store all is as before, imported twice as well."""
    store.record_outcome(_record(), 1, "failed", time.time() - 50 * DAY_S)
    store.record_outcome(_record(), 1, "succeeded", time.time() - 40 * DAY_S)
    store.record_outcome(_record(), 2, "failed", time.time() - 10 * DAY_S)
    store.record_outcome(_record(framework=None), 3, "unproven")
    lines = list(store.export())
    assert [json.loads(line)["record"]["framework"] for line in lines] == ["fastapi", None]
    before = list(store)
    redis_client.flushall()
    assert store.import_(lines) == 3
    assert store.import_([*lines, b"", b"\n"]) == 0
    after = list(store)
    for old, new in zip(before, after, strict=True):
        assert new == msgspec.structs.replace(
            old,
            confidence=pytest.approx(old.confidence, abs=1e-6),
            created_at=pytest.approx(old.created_at, abs=11 * DAY_S),
        )


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"record": {}, "outcomes": {}}',
        '{"record": 1}',
    ],
)
def test_a_line_that_is_no_record_is_named(store: LearnedStore, line: str) -> None:
    """The number of the first bad line is in the message."""
    with pytest.raises(Rejected, match=r"^Line 2 is no exported record"):
        store.import_(["", line])


def test_an_import_cannot_choose_its_id(store: LearnedStore, redis_client: redis.Redis) -> None:
    """Ids follow from the plan, so that no import overwrites another record."""
    store.record_outcome(_record("3.11"), 1, "succeeded")
    line = json.loads(next(iter(store.export())))
    redis_client.flushall()
    line["record"]["id"] = "python-fastapi-0000000000000000"
    line["record"]["successes"] = 1000
    store.import_([json.dumps(line)])
    assert [(r.id, r.successes) for r in store] == [(_record("3.11").id, 1)]


verdicts = st.lists(
    st.tuples(
        st.sampled_from(["3.11", "3.12"]),
        st.integers(1, 4),
        st.sampled_from(["succeeded", "failed", "unproven"]),
        st.integers(0, 50),
    ),
    max_size=20,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verdicts)
def test_any_order_of_verdicts_counts_right(
    redis_client: redis.Redis, verdicts: list[tuple[str, int, Outcome, int]]
) -> None:
    """Against a plain model: per record and pipeline the newest verdict, each counted once."""
    redis_client.flushall()
    store, base = LearnedStore(redis_client, KEY), time.time() - 1000
    model: dict[tuple[str, int], tuple[int, Outcome]] = {}
    for version, pipeline, outcome, at in verdicts:
        before = model.get((version, pipeline))
        news = before is None or (before[1] != outcome and at >= before[0])
        assert store.record_outcome(_record(version), pipeline, outcome, base + at) == news
        if news:
            model[version, pipeline] = (at, outcome)
    for version in {version for version, _ in model}:
        counts = Counter(outcome for (v, _), (_, outcome) in model.items() if v == version)
        shown = store.show(_record(version).id)
        successes, failures = counts["succeeded"], counts["failed"]
        assert (shown.successes, shown.failures) == (successes, failures)
        assert shown.confidence == pytest.approx(lower_bound(successes, failures), abs=1e-3)
        if successes != failures:  # as many of each: the newer ones weigh a little more
            assert shown.proven == (successes > failures)
