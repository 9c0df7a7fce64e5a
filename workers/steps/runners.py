"""Which runners would pick the jobs up, and what they ask of the pipeline. Looks at nothing.

https://docs.gitlab.com/api/runners/ and https://docs.gitlab.com/ci/runners/configure_runners/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from workers.clients.gitlab_ci_types import Runner
from workers.pipeline.plan import Builder

PREFERRED = ("ci-gen", "docker", "linux", "kubernetes", "k8s", "shared")
"""Tags that jobs carry where one is demanded; the first is the one that we ask operators for."""
_ELSEWHERE = frozenset(
    {
        "windows", "win", "macos", "mac", "osx", "darwin", "ios", "android", "gpu", "arm", "arm64",
        "aarch64", "shell", "ssh", "prod", "production", "deploy", "deployment", "release",
    }
)  # fmt: skip
"""Words in tags of runners that are no place for Linux containers, or are kept for deployments."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SIGNS: dict[Builder, frozenset[str]] = {
    "kaniko": frozenset({"kaniko"}),
    "buildkit": frozenset({"buildkit", "buildkit-rootless"}),
    "buildah": frozenset({"buildah"}),
    "docker": frozenset({"dind", "docker-in-docker"}),
}
"""Tags by which operators say what a runner builds images with: GitLab's API tells no executor."""


class Finding(msgspec.Struct, frozen=True):
    """What was seen, and what mends it.

    `blocks`: nothing, or not all, can run until it is mended. `hint`: good to know. `unseen`: it
    could not be looked at.
    """

    severity: Literal["blocks", "hint", "unseen"]
    text: str
    fix: str = ""


class Takers(msgspec.Struct, frozen=True):
    """The runners that take the jobs, the tags that jobs need for that, and what is wrong."""

    runners: tuple[Runner, ...] = ()
    tags: tuple[str, ...] = ()
    finding: Finding | None = None


def takers(runners: Sequence[Runner], instance_runners: bool = True) -> Takers:
    """Who takes jobs of a branch that is not protected.

    `instance_runners` is whether the project lets the instance's runners in.
    """
    where = "`Settings → CI/CD → Runners`"
    if not runners:
        off = "" if instance_runners else " Instance runners are switched off for it."
        return _none(
            f"No runner is available to this project.{off} Its jobs would wait, and GitLab drops"
            " them after a day.",
            f"{where}: turn on instance runners, or add one to the project or its group.",
        )
    awake = [runner for runner in runners if runner.usable]
    if not awake:
        states = Counter("paused" if r.paused else r.status or "silent" for r in runners)
        counted = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in sorted(states.items()))
        return _none(
            f"None of its runners takes jobs now: {counted}.",
            f"{where}: start or resume one, or add another.",
        )
    ours = [runner for runner in awake if runner.access_level != "ref_protected"]
    if not ours:
        return _none(
            "Its runners take jobs of protected branches only, and this branch is not protected.",
            f"{where}: edit one and clear `Protected`, or add another.",
        )
    return _by_tags(ours)


def _by_tags(runners: Sequence[Runner]) -> Takers:
    untagged = [runner for runner in runners if runner.run_untagged]
    if untagged:
        return Takers(tuple(untagged))
    tag = _best_tag(runners)
    if tag is not None:
        told = f"No runner takes jobs without tags, so all jobs carry the tag `{tag}`."
        having = tuple(runner for runner in runners if tag in (runner.tag_list or ()))
        return Takers(having, (tag,), Finding("hint", told))
    unknown = [runner for runner in runners if runner.tag_list is None]
    if unknown:
        told = "Whether its runners take jobs without tags is not shown to this token."
        fix = "If the jobs stay pending: let a runner take untagged jobs."
        return Takers(tuple(unknown), (), Finding("unseen", told, fix))
    tags = sorted({tag for runner in runners for tag in runner.tag_list or ()})[:5]
    named = ", ".join(f"`{tag}`" for tag in tags) or "none"
    return _none(
        f"Its runners take only jobs with tags, and none of the tags says that Linux containers"
        f" run there: {named}.",
        f"Let a runner take untagged jobs, or give one the tag `{PREFERRED[0]}`.",
    )


def _best_tag(runners: Sequence[Runner]) -> str | None:
    """A tag that suits: one of PREFERRED, else the one that most runners have."""
    counts = Counter(
        tag
        for runner in runners
        for tag in runner.tag_list or ()
        if _TAG.fullmatch(tag) and not _ELSEWHERE & set(re.split(r"[-_.]", tag.lower()))
    )
    known = [tag for tag in PREFERRED if tag in counts]
    ranked = sorted(counts, key=lambda tag: (-counts[tag], tag))
    return next(iter(known + ranked), None)


def choose_builder(runners: Sequence[Runner], wanted: str) -> tuple[Builder, str]:
    """What builds the image, and why. `wanted` is the setting IMAGE_BUILDER, `auto` or a name."""
    for builder in _SIGNS:
        if wanted == builder:
            privileged = "; it needs privileged runners" if builder == "docker" else ""
            return builder, f"the setting `IMAGE_BUILDER` says so{privileged}"
    for builder, signs in _SIGNS.items():
        if runners and all(signs & set(runner.tag_list or ()) for runner in runners):
            return builder, "the runners that take the jobs are tagged for it"
    return "kaniko", "it needs no privileges, so it runs wherever containers do"


def _none(text: str, fix: str) -> Takers:
    return Takers(finding=Finding("blocks", text, fix))
