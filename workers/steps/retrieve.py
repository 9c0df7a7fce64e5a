"""Where a plan starts: what was learned for the stack, else a template, else the built-in one.

Redis and the template files decide; Chroma only names candidates, by id. An id that they do not
know, or that is of another stack, is passed over, so nobody can put a pipeline into a project by
writing to Chroma, and without Chroma the same is found, a little less well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeVar

import msgspec

from workers.clients.chroma import NONE, Hit, Index, Item, Where
from workers.detect.analysis import Analysis
from workers.errors import Retryable
from workers.pipeline import several
from workers.pipeline.templates import Quality, Template, Templates
from workers.steps.features import features
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline

SIMILAR = 8
SHARED = "shared"
"""The scope of records that all may use; others have an opaque word for their group."""
TEMPLATES_MAX = 10_000

T = TypeVar("T")


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan starts from. `id` is the learned record's, else the template's.

    `confidence` (0 to 1) is the learned record's; None where nothing was counted. `degraded` says
    what Chroma could not tell; None when all went well.
    """

    source: Literal["learned", "template", "language_template", "builtin"]
    id: str
    confidence: float | None
    template: Template
    choices: dict[str, str]
    degraded: str | None
    parts: tuple[Reference, ...] = ()
    """Where several apps stand side by side: the reference of each, in their order."""


class _Guide:
    """Chroma as far as it answers: after the first failure it is not asked again in this run."""

    def __init__(self, index: Index | None) -> None:
        self._index = index
        self.degraded = None if index else "Chroma is not in use"

    def ask(self, question: Callable[[Index], list[T]]) -> list[T]:
        if self._index is None:
            return []
        try:
            return question(self._index)
        except Retryable as error:
            self._index, self.degraded = None, str(error)
            return []


def retrieve(
    analysis: Analysis, learned: LearnedStore, index: Index | None, templates: Templates,
    *, namespace: str,
) -> Reference:  # fmt: skip
    """The reference for a repository of `namespace` (a group's or project's path), in this order:
    learned for language and framework, template for language and framework, template for the
    language, built-in."""
    guide = _Guide(index)
    found = _retrieve(analysis, learned, guide, templates, namespace)
    each = tuple(
        _retrieve(part, learned, guide, templates, namespace) for part in several.parts(analysis)
    )
    return msgspec.structs.replace(found, parts=each)


def _retrieve(
    analysis: Analysis, learned: LearnedStore, guide: _Guide, templates: Templates, namespace: str
) -> Reference:
    record = _learned(analysis, learned, guide, templates, namespace)
    if record is not None:
        template = templates.get(record.template)
        assert template is not None  # _learned accepts no other
        return Reference(
            source="learned",
            id=record.id,
            confidence=record.confidence,
            template=template,
            choices=dict(record.choices),
            degraded=guide.degraded,
        )
    return _template(analysis, guide, templates)


def references(
    analysis: Analysis, learned: LearnedStore, index: Index | None, templates: Templates,
    *, namespace: str,
) -> Iterator[Reference]:  # fmt: skip
    """What to try, best first: where a reference's plan is refused, the next one is taken."""
    first = retrieve(analysis, learned, index, templates, namespace=namespace)
    yield first
    if any(one.source == "learned" for one in (first, *first.parts)):
        yield from_templates(analysis, index, templates)


def from_templates(analysis: Analysis, index: Index | None, templates: Templates) -> Reference:
    """The reference where nothing learned is at hand."""
    guide = _Guide(index)
    found = _template(analysis, guide, templates)
    each = tuple(_template(part, guide, templates) for part in several.parts(analysis))
    return msgspec.structs.replace(found, parts=each)


def _learned(
    analysis: Analysis, learned: LearnedStore, guide: _Guide, templates: Templates, namespace: str
) -> LearnedPipeline | None:
    if analysis.language is None:
        return None
    words = features(analysis)
    stack = _stack(analysis.language, analysis.framework)
    where: Where = {**stack, "scope": (SHARED, learned.scope(namespace))}
    similar = guide.ask(lambda i: i.nearest("successful_pipelines", words, where, SIMILAR))
    return learned.best(
        analysis.language,
        analysis.framework,
        words,
        namespace=namespace,
        package_manager=analysis.package_manager,
        also=[hit.id for hit in similar if _is_ours(learned, hit)],
        accept=lambda record: templates.get(record.template) is not None,
    )


def _template(analysis: Analysis, guide: _Guide, templates: Templates) -> Reference:
    template, source = templates.best(analysis.language, analysis.framework)
    degraded = guide.degraded
    if source != "builtin" and not degraded:
        where = _stack(template.language, template.framework)
        hits = guide.ask(lambda index: index.find("pipeline_templates", where))
        found = [templates.get(hit.id) for hit in hits]
        same = [t for t in found if t and (t.language, t.framework) == _pair(template)]
        template = same[0] if same else template
        degraded = guide.degraded or (None if same else _out_of_step(template))
    return _of_template(template, source, degraded)


def fallback(reference: Reference, analysis: Analysis, templates: Templates) -> Reference | None:
    """The next one after a reference whose plan was refused; None after the built-in one."""
    after: dict[str, tuple[str | None, str | None]] = {
        "learned": (analysis.language, analysis.framework),
        "template": (analysis.language, None),
        "language_template": (None, None),
    }
    if reference.source not in after:
        return None
    return _of_template(*templates.best(*after[reference.source]), reference.degraded)


def sync_templates(index: Index, templates: Templates) -> int:
    """Bring Chroma's `pipeline_templates` in step with the files; how many there are.

    Several workers may do this at once. Raises Retryable.
    """
    items = [_template_item(template) for template in templates.all()]
    here = {item.id for item in items}
    there = [hit.id for hit in index.find("pipeline_templates", {}, TEMPLATES_MAX)]
    index.upsert("pipeline_templates", items)
    index.delete("pipeline_templates", [id for id in there if id not in here])
    return len(items)


def rebuild(index: Index, learned: LearnedStore, templates: Templates) -> tuple[int, int]:
    """Make both collections again from Redis and the files; how many entries each has (learned,
    templates). Raises Retryable."""
    behind = learned.unindexed(limit=TEMPLATES_MAX)
    items = (learned_item(learned, record) for record in learned if record.successes)
    pipelines = index.rebuild("successful_pipelines", items)
    learned.indexed(behind)
    files = index.rebuild("pipeline_templates", map(_template_item, templates.all()))
    return pipelines, files


def learned_item(learned: LearnedStore, record: LearnedPipeline) -> Item:
    """A learned record as Chroma gets it: the plan, opaque words for where it comes from, and our
    seal over both."""
    plan = {
        "template": record.template,
        "template_version": record.template_version,
        "choices": dict(record.choices),
    }
    document = msgspec.json.encode(plan, order="deterministic").decode()
    metadata = _stack(record.language, record.framework) | {
        "package_manager": record.package_manager or NONE,
        "template": record.template,
        "plan_digest": record.plan_digest,
        "run": record.provenance.run,
        "project_id": str(record.provenance.project_id),
        "pipeline": str(record.provenance.pipeline),
        "scope": SHARED if record.shared else learned.scope(record.provenance.namespace),
    }
    metadata["seal"] = learned.seal(*_told(record.id, metadata, document))
    return Item(id=record.id, features=record.features, metadata=metadata, document=document)


def _told(id: str, metadata: Mapping[str, str], document: str) -> Iterator[str]:
    """What the seal is over."""
    yield from (id, document)
    yield from sorted(f"{name}={value}" for name, value in metadata.items() if name != "seal")


def _is_ours(learned: LearnedStore, hit: Hit) -> bool:
    """Whether we put it there as it is; what somebody else wrote is counted and passed over."""
    seal = str(hit.metadata.get("seal", ""))  # another writer may have put anything there
    ours = learned.sealed(seal, *_told(hit.id, hit.metadata, hit.document))
    if not ours:
        learned.refuse("index", hit.id)
    return ours


def _template_item(template: Template) -> Item:
    named = {"language": template.language, "framework": template.framework}
    words = (f"{kind}:{name}" for kind, name in named.items() if name)
    return Item(
        id=template.id,
        features=(*words, f"ecosystem:{template.ecosystem}"),
        metadata=_stack(template.language, template.framework) | {"version": template.version},
        document=template.summary,
    )


def _of_template(template: Template, source: Quality, degraded: str | None) -> Reference:
    return Reference(
        source=source,
        id=template.id,
        confidence=None,
        template=template,
        choices={},
        degraded=degraded,
    )


def _stack(language: str | None, framework: str | None) -> dict[str, str]:
    return {"language": language or NONE, "framework": framework or NONE}


def _pair(template: Template) -> tuple[str | None, str | None]:
    return template.language, template.framework


def _out_of_step(template: Template) -> str:
    return f"Chroma has no template {template.id}; `devops-backend templates sync` puts it there"
