"""The steps of a run that write nothing: for the command line and the API's dry runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import structlog
from redis.exceptions import RedisError

from workers import preflighting
from workers.clients.gitlab import ApiSource
from workers.detect import LocalSource
from workers.detect.analysis import Analysis, Source
from workers.errors import BackendError, Denied, NotFound, Rejected, Retryable
from workers.pipeline import lint
from workers.pipeline.lint.report import to_json
from workers.pipeline.plan import Site
from workers.pipeline.render import render
from workers.runs import shown_analysis
from workers.settings import Settings
from workers.steps.analyze import analyze
from workers.steps.generate import Generated
from workers.steps.generate import generate as make
from workers.steps.retrieve import Reference, from_templates, retrieve
from workers.steps.validate import validate
from workers.store.dry_runs import Answer, DryRun
from workers.wiring import Parts

log = structlog.get_logger(__name__)

Say = Callable[[str], None]

MODEL_S = 40.0
"""The model's share of a dry run: who asked waits for sixty seconds in all."""


class Subject(msgspec.Struct, frozen=True):
    """What is looked at: a source, and the project it belongs to, 0 for a folder."""

    parts: Any
    source: Any
    project: int = 0
    ref: str = "main"
    path: str = ""
    """The project's; whose group it is decides what of the learned it may see."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would make."""

    analysis: Analysis
    reference: Reference
    generated: Generated
    files: dict[str, str]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    linted_by: str

    def shown(self) -> dict[str, Any]:
        """As JSON, with the contract's names."""
        return {
            "analysis": shown_analysis(self.analysis),
            "reference": {
                "source": self.reference.source,
                "id": self.reference.id,
                "confidence": self.reference.confidence,
            },
            "generation": {
                "by": self.generated.by,
                "model": self.generated.model,
                "seconds": self.generated.seconds,
                "tokens": self.generated.tokens,
                "fallback_reason": self.generated.fallback_reason,
            },
            "validation": {
                "errors": self.errors,
                "warnings": self.warnings,
                "linted_by": self.linted_by,
            },
            "files": [{"path": path, "content": text} for path, text in self.files.items()],
        }


def of_folder(parts: Parts, folder: Path) -> Subject:
    """A local folder. Raises NotFound where there is none."""
    return Subject(parts, LocalSource(folder))


def of_project(parts: Parts, project: int | str, ref: str = "") -> Subject:
    """A project of the one GitLab; `ref` is a branch or commit, the default branch otherwise."""
    known = parts.gitlab.project(project)
    if known.empty_repo:
        raise NotFound(f"{known.path} is empty: there is nothing to read yet")
    name = ref or known.default_branch or "main"
    branch = parts.gitlab.branch(known.id, name)
    source = ApiSource(parts.gitlab, known.id, known.path, branch.sha if branch else name)
    return Subject(parts, source, known.id, name, known.path)


def project_path(settings: Settings, url: str) -> str:
    """The project's path in an address of the one GitLab. Raises Rejected for any other host."""
    ours, asked = urlsplit(settings.gitlab_url), urlsplit(url)
    if (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc):
        raise Rejected(f"only projects of {settings.gitlab_url} (GITLAB_URL) can be read")
    root = ours.path.rstrip("/")
    path = unquote(asked.path).removeprefix(root).strip("/").removesuffix(".git")
    return path.partition("/-/")[0]


def analysis_of(subject: Subject, say: Say | None = None) -> Analysis:
    """What the repository is."""
    source: Source = subject.source
    return analyze(source, say)


def generate(
    subject: Subject, *, template_only: bool = False, model_s: float | None = None,
    say: Say | None = None,
) -> Preview:  # fmt: skip
    """Analyse, choose, generate, validate; the model has `model_s` where that is less than its own
    time. Raises Rejected where there is nothing to build."""
    parts: Parts = subject.parts
    analysis = analysis_of(subject, say)
    if analysis.nothing_to_build:
        raise Rejected(f"nothing to build: {analysis.nothing_to_build}")
    reference = _reference(parts, analysis, subject.path)
    model = None if template_only else parts.model
    if model is not None and model_s is not None:
        model = model.at_most(model_s)
    generated = make(analysis, reference, _site(parts, subject), model)
    files = render(generated.plan)
    asked = subject.project
    server = (lambda text: parts.gitlab.lint(asked, text)) if asked else None
    found = validate(files, server)
    return Preview(
        analysis=analysis,
        reference=reference,
        generated=generated,
        files=files,
        errors=tuple(found.errors),
        warnings=tuple(found.warnings),
        linted_by=found.linted_by,
    )


def _site(parts: Parts, subject: Subject) -> Site:
    """As a run would have it, from what was seen of the project; a dry run does not look itself."""
    try:
        known = subject.project and parts.settings.redis_url is not None
        seen = preflighting.known(parts, subject.project, {}) if known else None
    except RedisError as error:
        log.warning("Redis does not answer; nothing is known of runners", error=str(error))
        seen = None
    return parts.site(subject.ref, seen)


def _reference(parts: Parts, analysis: Analysis, path: str) -> Reference:
    """What was learned where a Redis is at hand, else the templates."""
    unsealed = parts.settings.with_key(make=False).devops_backend_key is None
    if parts.settings.redis_url is None or unsealed:
        return from_templates(analysis, parts.index, parts.templates)
    try:
        return retrieve(analysis, parts.learned, parts.index, parts.templates, namespace=path)
    except RedisError as error:
        log.warning("Redis does not answer; templates are used", error=str(error))
        return from_templates(analysis, parts.index, parts.templates)


def answer(parts: Parts, ask_id: str) -> None:
    """Answer a dry run that the API left in Redis; an error is an answer as well."""
    try:
        found = Answer(_answer(parts, parts.dry_runs.question(ask_id)))
    except Retryable as error:
        found = Answer(error=str(error), status=503)
    except Rejected as error:
        status = {NotFound: 404, Denied: 403}.get(type(error), 422)
        found = Answer(error=str(error), status=status)
    except BackendError as error:
        found = Answer(error=str(error), status=500)
    parts.dry_runs.reply(ask_id, found)


def _answer(parts: Parts, question: DryRun) -> dict[str, Any]:
    if question.kind == "validate":
        report = lint.check(question.content)
        return {"valid": report.valid, **msgspec.json.decode(to_json(report, ".gitlab-ci.yml"))}
    project = int(question.project) if question.project.isdigit() else question.project
    subject = of_project(parts, project, question.ref)
    if question.kind == "analyze":
        return {"analysis": shown_analysis(analysis_of(subject))}
    return generate(subject, template_only=question.use_template_only, model_s=MODEL_S).shown()
