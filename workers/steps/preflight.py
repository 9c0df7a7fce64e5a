"""What the instance shows of itself before a pipeline is committed, and what that means for it.

Looking is one thing (`look`, a few calls, each of which GitLab may refuse), judging another
(`judge`, pure): what was seen is kept for a day, settings and plan are of the moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from workers.clients.gitlab import GitLab
from workers.clients.gitlab_ci_types import Runner, Variable
from workers.clients.gitlab_types import Project
from workers.errors import Denied, Rejected, Retryable
from workers.pipeline.plan import Builder
from workers.steps.runners import Finding, choose_builder, takers

T = TypeVar("T")

OLDEST = (16, 9)
"""All our files use `workflow:auto_cancel`, on by default since then (gitlab-org/gitlab!142911)."""
MOST_DETAILS = 20
"""Runners that are asked for their tags in one look; GitLab.com lists dozens."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What GitLab showed. None: not looked at, and `unseen` says why."""

    at: int
    """Unix ms."""
    runners: tuple[Runner, ...] | None = None
    variables: tuple[Variable, ...] | None = None
    """The project's own; those of its groups and of the instance are not shown to projects."""
    version: str | None = None
    registry: bool = True
    merge_requests: bool = True
    instance_runners: bool = True
    unseen: dict[str, str] = msgspec.field(default_factory=dict)
    complete: bool = True
    """False where GitLab did not answer: worth another look soon."""


class Instance(msgspec.Struct, frozen=True):
    """What is the same for all projects: seen once, for all of them."""

    at: int
    """Unix ms of the first look."""
    version: str | None = None
    runners: dict[int, Runner] = msgspec.field(default_factory=dict)
    """Instance runners with their tags, by id."""


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What stands between a pipeline and its first run, and what its site asks of the plan."""

    at: int
    findings: tuple[Finding, ...] = ()
    runners: int | None = None
    """How many runners take the jobs; None: not looked at."""
    runner_tags: tuple[str, ...] = ()
    builder: Builder = "kaniko"
    builder_reason: str = ""
    variables: tuple[Variable, ...] | None = None

    @property
    def blocked(self) -> tuple[Finding, ...]:
        """Findings that keep the pipeline, or a part of it, from running."""
        return tuple(finding for finding in self.findings if finding.severity == "blocks")


def look(gitlab: GitLab, project: Project, instance: Instance, at: int) -> tuple[Facts, Instance]:
    """Look at a project's surroundings. `at` is now, Unix ms. Raises nothing of GitLab's.

    Three calls, one more for each runner that `instance` does not know. The second value is
    `instance` with what was new.
    """
    looker = _Looker(gitlab)
    version = instance.version or looker.ask("the version of GitLab", gitlab.version)
    listed = looker.ask("runners", lambda: gitlab.runners(project.id))
    variables = looker.ask("CI variables", lambda: gitlab.variables(project.id))
    runners = None if listed is None else looker.detailed(listed, instance.runners)
    shared = {r.id: r for r in runners or () if _known_everywhere(r)}
    facts = Facts(
        at=at,
        runners=runners,
        variables=variables,
        version=version,
        registry=project.registry_enabled,
        merge_requests=project.merge_requests_open,
        instance_runners=project.shared_runners_enabled is not False,
        unseen=looker.unseen,
        complete=looker.complete,
    )
    return facts, Instance(instance.at, version, {**instance.runners, **shared})


def _known_everywhere(runner: Runner) -> bool:
    return runner.runner_type == "instance_type" and runner.tag_list is not None


class _Looker:
    """Asks, and notes what was refused. After one call without an answer it asks no more."""

    def __init__(self, gitlab: GitLab) -> None:
        self.gitlab = gitlab
        self.unseen: dict[str, str] = {}
        self.complete = True

    def ask(self, what: str, call: Callable[[], T]) -> T | None:
        """The answer, or None with the reason in `unseen`."""
        if self.complete:
            try:
                return call()
            except Denied:
                self.unseen[what] = "that needs a token whose user is Maintainer"
            except Rejected as error:
                self.unseen[what] = f"GitLab refused it ({error.status})"
            except Retryable:
                self.complete = False
        if not self.complete:
            self.unseen[what] = "GitLab did not answer"
        return None

    def detailed(
        self, listed: tuple[Runner, ...], known: Mapping[int, Runner]
    ) -> tuple[Runner, ...]:
        """The runners with tags where they matter. State is the list's: what is known is older."""
        left = MOST_DETAILS
        found = []
        for row in listed:
            details = known.get(row.id)
            if details is None and row.usable and left > 0:
                left -= 1
                details = self._details(row.id)
            found.append(row if details is None else _with_details(row, details))
        return tuple(found)

    def _details(self, runner: int) -> Runner | None:
        """None where this runner's tags are not for this token; the finding says so later."""
        if not self.complete:
            return None
        try:
            return self.gitlab.runner(runner)
        except Rejected:
            return None
        except Retryable:
            self.complete = False
            return None


def _with_details(row: Runner, details: Runner) -> Runner:
    return msgspec.structs.replace(
        row,
        tag_list=details.tag_list,
        run_untagged=details.run_untagged,
        access_level=details.access_level,
    )


def judge(
    facts: Facts, *, builder: str, image_registry: str, required: Mapping[str, bool] | None = None
) -> Preflight:
    """What the facts mean for a pipeline.

    `builder` and `image_registry` are the settings; `required` maps the variables that the plan
    needs to whether jobs fail without them.
    """
    found = takers(facts.runners, facts.instance_runners) if facts.runners is not None else None
    chosen, reason = choose_builder(found.runners if found else (), builder)
    findings = [
        *([found.finding] if found and found.finding else []),
        *_of_version(facts.version),
        *_of_project(facts, image_registry),
        *_of_variables(facts.variables, required or {}),
        *(Finding("unseen", f"Not looked at: {what}. {why}.") for what, why in _grouped(facts)),
    ]
    order = ("blocks", "hint", "unseen")
    return Preflight(
        at=facts.at,
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
        runners=len(found.runners) if found else None,
        runner_tags=found.tags if found else (),
        builder=chosen,
        builder_reason=reason,
        variables=facts.variables,
    )


def _grouped(facts: Facts) -> list[tuple[str, str]]:
    """What was not looked at, by reason."""
    reasons: dict[str, list[str]] = {}
    for what, why in facts.unseen.items():
        reasons.setdefault(why, []).append(what)
    return [(" and ".join(what), f"{why[0].upper()}{why[1:]}") for why, what in reasons.items()]


def _of_version(version: str | None) -> list[Finding]:
    found = re.match(r"(\d+)\.(\d+)", version or "")
    if found is None or (int(found[1]), int(found[2])) >= OLDEST:
        return []
    oldest = ".".join(map(str, OLDEST))
    text = f"This GitLab is `{version}`; the file uses keywords that it knows from {oldest} on."
    return [Finding("blocks", text, "Upgrade GitLab.")]


def _of_project(facts: Facts, image_registry: str) -> list[Finding]:
    """Settings of the project that keep parts of the pipeline from working."""
    where = "`Settings → General → Visibility`"
    findings = []
    if image_registry.startswith("$CI_REGISTRY") and not facts.registry:
        findings.append(
            Finding(
                "blocks",
                "Images go to GitLab's own registry, which is switched off for this project.",
                f"{where}: turn on `Container registry`.",
            )
        )
    if re.match(r"(localhost|127\.0\.0\.1|\[::1\])([:/]|$)", image_registry):
        findings.append(
            Finding(
                "hint",
                f"Images go to `{image_registry}`, which means the runner's own machine there.",
                "Set `IMAGE_REGISTRY` of the service to a name that the runners reach.",
            )
        )
    if not facts.merge_requests:
        findings.append(
            Finding(
                "blocks",
                "Merge requests are switched off for this project.",
                f"{where}: turn on `Merge requests`.",
            )
        )
    return findings


def _of_variables(
    variables: tuple[Variable, ...] | None, required: Mapping[str, bool]
) -> list[Finding]:
    """Variables that are missing, or that would not reach a branch that is not protected."""
    if variables is None:
        return []
    where = "`Settings → CI/CD → Variables`"
    keys = {variable.key for variable in variables}
    findings = []
    for needed in (True, False):
        names = [n for n, must in required.items() if must is needed and n not in keys]
        if names:
            then = "Jobs fail without" if needed else "Jobs are left out without"
            text = f"{then} variables that this project does not set: {_named(names)}."
            fix = f"{where} here, or those of its group or instance, which were not looked at."
            findings.append(Finding("blocks" if needed else "hint", text, fix))
    hidden = [v.key for v in variables if v.protected and v.key in required]
    if hidden:
        text = f"Protected variables do not reach this branch: {_named(hidden)}."
        findings.append(Finding("hint", text, f"{where}: clear `Protect variable`."))
    return findings


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
