"""The rules for `.gitlab-ci.yml`, judged on the parsed document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workers.pipeline import commands, forbidden, slots, strict_yaml
from workers.pipeline.images import mirrored
from workers.pipeline.plan import Plan
from workers.pipeline.schema import STAGES, Job

MAX_JOBS = 40  # of one app
_GLOBALS = frozenset({"stages", "workflow", "variables", "default"})
_JOB_KEYS = frozenset(Job.__struct_fields__)
_DEFAULT_KEYS = frozenset({"interruptible", "retry", "timeout", "tags"})
_IMAGE_KEYS = frozenset({"name", "entrypoint"})
_SERVICE_KEYS = frozenset({"name", "alias", "command", "variables"})
_ARTIFACT_KEYS = frozenset({"name", "when", "expire_in", "paths", "exclude", "reports"})
_REPORTS = frozenset({"junit", "coverage_report", "codequality", "dotenv"})
_RULE_KEYS = frozenset(
    {"if", "exists", "changes", "when", "allow_failure", "variables", "auto_cancel"}
)
_BINDING = frozenset({"compile", "build", "test"})
"""Stages whose failure must stop the pipeline."""

_RESERVED = re.compile(
    r"(?:CI|GIT|DOCKER|FF|RUNNER|GITLAB|KUBERNETES|ARTIFACT|CUSTOM_ENV|LD|DYLD|BASH)_\w*"
    r"|CI|PATH|HOME|SHELL|ENV|IFS|PS4|PROMPT_COMMAND|PYTHONPATH|PYTHONSTARTUP|RUBYOPT|PERL5OPT"
    r"|JAVA_TOOL_OPTIONS|HTTPS?_PROXY|https?_proxy|ALL_PROXY|all_proxy|LOAD_PERFORMANCE\w*"
)
_PERMITTED = frozenset({("GIT_STRATEGY", "none"), ("GIT_DEPTH", "0"), ("GIT_DEPTH", "1")})
_SECRET_NAME = re.compile(r"\w*(?:TOKEN|PASSWORD|PASSWD|SECRET|PRIVATE_KEY|CREDENTIAL)\w*")
_PATH = re.compile(r"(?:\$APP_DIR/)?[A-Za-z0-9_.*][A-Za-z0-9_.*/@+-]*")


def check(plan: Plan, text: str) -> Iterator[str]:
    """Violations of the document; see `policy` for the codes."""
    try:
        document = strict_yaml.load(text)
    except strict_yaml.StrictError as error:
        yield f"yaml: line {error.line}: {error}"
        return
    if not isinstance(document, dict):
        yield "yaml: is no mapping"
        return
    yield from _whole(plan, document)
    yield from _default(plan, document.get("default"))
    yield from _variables("variables", document.get("variables"))
    jobs = {name: job for name, job in document.items() if name not in _GLOBALS}
    judge = _Judge(plan, jobs)
    yield from judge.folder("variables", document.get("variables"))
    for name, job in jobs.items():
        yield from judge.job(str(name), job)


def _whole(plan: Plan, document: Mapping[Any, Any]) -> Iterator[str]:
    for key in document:
        if key not in _GLOBALS and key not in plan.jobs:
            yield f"keyword: {str(key)[:60]!r} is no job of the plan and no keyword that is allowed"
    if document.get("stages") != list(STAGES):
        yield f"stages: are not exactly {', '.join(STAGES)}"
    wanted = slots.fill_all(plan.workflow.keywords, plan.fills)
    if document.get("workflow") != wanted:
        yield "rule: workflow is not the template's"
    jobs = [name for name in document if name not in _GLOBALS]
    if not jobs or jobs[-1] != "learn_record":
        yield "learn: the last job is not learn_record"
    variables = document.get("variables")
    if not isinstance(variables, dict) or not variables.get("DEVOPS_BACKEND_URL"):
        yield "learn: DEVOPS_BACKEND_URL is not among the variables"
    most = MAX_JOBS * max(1, len(plan.apps))
    if len(jobs) > most:
        yield f"job: there are more than {most}"


def _default(plan: Plan, default: Any) -> Iterator[str]:
    if not isinstance(default, dict):
        yield "keyword: default is missing or no mapping"
        return
    for key in sorted(set(map(str, default)) - _DEFAULT_KEYS):
        yield f"keyword: default: {key} is not allowed"
    if default.get("tags") != (list(plan.default.tags) if plan.default.tags else None):
        yield "keyword: default: tags are not those of the site"


def _variables(where: str, variables: Any) -> Iterator[str]:
    if variables is None:
        return
    if not isinstance(variables, dict):
        yield f"variable: {where}: is no mapping"
        return
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            yield f"variable: {where}: {str(name)[:40]!r} is no text, or has none"
        elif _RESERVED.fullmatch(name) and (name, value) not in _PERMITTED:
            yield f"variable: {where}: {name} steers the runner or the shell"
        elif _SECRET_NAME.fullmatch(name) and not re.fullmatch(r"\$\w+|test", value):
            yield f"variable: {where}: {name} holds a value, where only a CI variable may"


class _Judge:
    """Judges jobs against what the plan's templates say."""

    def __init__(self, plan: Plan, jobs: Mapping[Any, Any]) -> None:
        self.jobs = jobs
        self.ecosystems = dict.fromkeys((plan.ecosystem, *(app.ecosystem for app in plan.apps)))
        self.images = {mirrored(image, plan.mirror) for image in plan.image_table()}
        self.lines = set(_template_lines(plan))
        self.conditions = {
            rule.if_ for job in plan.jobs.values() for rule in job.rules or () if rule.if_
        }
        self.folders = {app.path for app in plan.apps}
        self.dind = plan.builder == "docker"

    def job(self, name: str, job: Any) -> Iterator[str]:
        if not isinstance(job, dict):
            yield f"job: {name[:60]}: is no mapping"
            return
        for key in sorted(set(map(str, job)) - _JOB_KEYS):
            yield f"keyword: {name}: {key[:40]} is not allowed"
        if job.get("stage") not in (None, *STAGES):
            yield f"stages: {name}: {str(job['stage'])[:40]!r} is no stage"
        yield from self._images(name, job)
        yield from _variables(name, job.get("variables"))
        yield from self.folder(name, job.get("variables"))
        yield from self._scripts(name, job)
        yield from self._masked(name, job)
        yield from _paths(name, job)
        yield from self._rules(name, job)
        yield from self._references(name, job)

    def folder(self, name: str, variables: Any) -> Iterator[str]:
        """What the jobs of several apps call their folder must be one."""
        folder = variables.get("APP_DIR") if isinstance(variables, dict) else None
        if folder is not None and folder not in self.folders:
            yield f"path: {name}: {str(folder)[:60]!r} is no app's folder"

    def _images(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        image = job.get("image")
        yield from self._image(name, image, _IMAGE_KEYS)
        services = job.get("services") or []
        for service in services if isinstance(services, list) else [services]:
            yield from self._image(name, service, _SERVICE_KEYS)
            if isinstance(service, dict):
                yield from _variables(f"{name}: services", service.get("variables"))

    def _image(self, name: str, image: Any, keys: frozenset[str]) -> Iterator[str]:
        if image is None:
            return
        if isinstance(image, dict):
            for key in sorted(set(map(str, image)) - keys):
                yield f"image: {name}: {key[:40]} is not allowed"
            image = image.get("name")
        if image not in self.images:
            yield f"image: {name}: {str(image)[:80]!r} is not in the table of images"
        elif "-dind" in image and not self.dind:
            yield f"image: {name}: {image} needs a privileged runner, which the site has not chosen"

    def _scripts(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        for key in ("before_script", "script", "after_script"):
            lines = job.get(key)
            for line in lines if isinstance(lines, list) else [] if lines is None else [lines]:
                if not isinstance(line, str):
                    yield f"line: {name}: {key}: {str(line)[:60]!r} is no text"
                    continue
                for fault in forbidden.faults(line):
                    yield f"line: {name}: {line[:60]!r} {fault}"
                if line not in self.lines and (cause := self._refusal(line)):
                    yield f"line: {name}: {line[:60]!r} is no template's line, and {cause}"

    def _refusal(self, line: str) -> str | None:
        """Why no ecosystem of the plan would run `line`, or None."""
        causes = [commands.refusal(line, ecosystem) for ecosystem in self.ecosystems]
        return None if None in causes else causes[0]

    def _masked(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        rules = job.get("rules")
        allowed = [job.get("allow_failure")]
        allowed += [r.get("allow_failure") for r in rules or () if isinstance(r, dict)]
        if job.get("stage") in _BINDING and any(allowed):
            yield f"masked: {name}: a failure of {job['stage']} would not show"
        when = job.get("retry", {}).get("when") if isinstance(job.get("retry"), dict) else None
        if job.get("retry") is not None and (
            not isinstance(when, list)
            or set(when) - {"runner_system_failure", "stuck_or_timeout_failure"}
        ):
            yield f"masked: {name}: retry is for the infrastructure's failures only"

    def _rules(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        rules = job.get("rules")
        for rule in rules if isinstance(rules, list) else [] if rules is None else [rules]:
            if not isinstance(rule, dict):
                yield f"rule: {name}: {str(rule)[:60]!r} is no mapping"
                continue
            for key in sorted(set(map(str, rule)) - _RULE_KEYS):
                yield f"rule: {name}: {key[:40]} is not allowed"
            if rule.get("if") is not None and rule["if"] not in self.conditions:
                yield f"rule: {name}: {str(rule['if'])[:60]!r} is no condition of a template"
            yield from _variables(f"{name}: rules", rule.get("variables"))
            yield from self.folder(f"{name}: rules", rule.get("variables"))
            for path in _texts(rule.get("changes")):
                if not _PATH.fullmatch(path) or ".." in path.split("/"):
                    yield f"rule: {name}: changes: {path[:60]!r} is no path of the repository"

    def _references(self, name: str, job: Mapping[str, Any]) -> Iterator[str]:
        named = job.get("extends")
        parents = named if isinstance(named, list) and self.folders else [named] if named else []
        for parent in parents:
            if not (isinstance(parent, str) and parent.startswith(".") and parent in self.jobs):
                yield f"reference: {name}: extends {str(parent)[:40]!r}, no hidden job here"
        needs = job.get("needs")
        for need in needs if isinstance(needs, list) else [] if needs is None else [needs]:
            target = need.get("job") if isinstance(need, dict) else need
            extra = set(need) - {"job", "artifacts", "optional"} if isinstance(need, dict) else ()
            if target not in self.jobs or extra:
                yield f"reference: {name}: needs {str(need)[:60]!r}, which is no job here"


def _paths(name: str, job: Mapping[str, Any]) -> Iterator[str]:
    artifacts, cache = job.get("artifacts") or {}, job.get("cache") or {}
    for key in sorted(set(map(str, artifacts)) - _ARTIFACT_KEYS):
        yield f"keyword: {name}: artifacts: {key[:40]} is not allowed"
    reports = artifacts.get("reports") or {} if isinstance(artifacts, dict) else {}
    for key in sorted(set(map(str, reports)) - _REPORTS):
        yield f"keyword: {name}: reports: {key[:40]} is not allowed"
    for path in _texts(
        [artifacts.get("paths"), artifacts.get("exclude"), reports, cache.get("paths")]
    ):
        if not _PATH.fullmatch(path) or ".." in path.split("/") or path in (".", "./", "*", "**"):
            yield f"path: {name}: {path[:60]!r} leaves the project's folder or takes all of it"


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        yield from _texts(list(node.values()))
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)


def _template_lines(plan: Plan) -> Iterator[str]:
    for job in plan.jobs.values():
        for lines in (job.before_script, job.script, job.after_script):
            yield from (slots.fill(line, plan.fills) for line in lines or ())
