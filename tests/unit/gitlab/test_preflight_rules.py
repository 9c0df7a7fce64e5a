"""Judging what an instance shows: runners, builder, registry, variables, version; and its words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.clients.gitlab_ci_types import Runner, Variable
from workers.steps.markdown import unsafe_lines
from workers.steps.preflight import OLDEST, Facts, Preflight, judge
from workers.steps.readiness import section
from workers.steps.runners import Finding, choose_builder, takers

AT = 1_764_000_000_000


def runner(number: int = 1, *tags: str, **more: Any) -> Runner:
    """Online, takes everything, unless said."""
    facts: dict[str, Any] = {
        "status": "online", "tag_list": tags, "run_untagged": True, "access_level": "not_protected",
    }  # fmt: skip
    return Runner(id=number, **facts | more)


def seen(facts: Facts, **more: Any) -> Preflight:
    settings: dict[str, Any] = {"builder": "auto", "image_registry": "nexus:5001/apps"}
    return judge(facts, **settings | more)


def test_a_runner_that_takes_everything_needs_nothing() -> None:
    """No tags on jobs, no finding; others that are asleep or picky do not matter."""
    usual = runner(2)
    others = (runner(1, status="offline"), runner(3, "x", run_untagged=False))
    assert takers((*others, usual)) == takers((usual,))
    found = seen(Facts(at=AT, runners=(*others, usual), version="18.8.0-ee"))
    assert (found.runners, found.runner_tags, found.findings) == (1, (), ())


@pytest.mark.parametrize(
    ("runners", "says"),
    [
        ((), "No runner is available"),
        ((runner(status="offline"), runner(2, paused=True), runner(3, status="never_contacted")),
         "1 never contacted, 1 offline, 1 paused"),
        ((runner(access_level="ref_protected"),), "protected branches only"),
        ((runner(1, "windows", run_untagged=False), runner(2, "prod-eu", run_untagged=False)),
         "`prod-eu`, `windows`"),
        ((runner(run_untagged=False),), "none"),
    ],
)  # fmt: skip
def test_nobody_to_run_it_blocks(runners: tuple[Runner, ...], says: str) -> None:
    """Each reason in its own words, with where to mend it."""
    found = seen(Facts(at=AT, runners=runners))
    (finding,) = found.blocked
    assert says in finding.text and finding.fix
    assert (found.runners, found.runner_tags) == (0, ())


def test_instance_runners_that_are_off_are_named() -> None:
    """The one setting that most often explains an empty list."""
    (finding,) = seen(Facts(at=AT, runners=(), instance_runners=False)).blocked
    assert "Instance runners are switched off" in finding.text


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        ([("docker", "big"), ("big",)], "docker"),
        ([("ci-gen", "docker"), ("docker",)], "ci-gen"),
        ([("team-a", "big"), ("big",)], "big"),
        ([("windows",), ("build",)], "build"),
        ([("a: [evil]",), ("also-fine",)], "also-fine"),
        ([("deploy-prod",), ("charm",)], "charm"),
    ],
)
def test_tags_are_chosen_where_they_are_demanded(tags: list[tuple[str, ...]], chosen: str) -> None:
    """Known names first, else the one that most have; never one of deployments or other systems."""
    rows = [runner(n, *names, run_untagged=False) for n, names in enumerate(tags, 1)]
    found = takers(rows)
    assert found.tags == takers(rows[::-1]).tags == (chosen,)
    assert {r.id for r in found.runners} == {r.id for r in rows if chosen in (r.tag_list or ())}
    assert found.finding is not None and found.finding.severity == "hint"


def test_tags_that_are_not_shown_are_no_verdict() -> None:
    """A group's runner hides its tags from a project's Maintainer: said, and no block."""
    found = seen(Facts(at=AT, runners=(Runner(id=9, status="online"),)))
    assert found.blocked == () and found.findings[0].severity == "unseen" and found.runners == 1


@pytest.mark.parametrize(
    ("wanted", "tags", "builder", "why"),
    [
        ("auto", [()], "kaniko", "no privileges"),
        ("auto", [], "kaniko", "no privileges"),
        ("auto", [("buildkit", "x"), ("buildkit",)], "buildkit", "tagged"),
        ("auto", [("buildkit",), ("docker",)], "kaniko", "no privileges"),
        ("auto", [("buildah",)], "buildah", "tagged"),
        ("auto", [("dind",)], "docker", "tagged"),
        ("buildah", [("dind",)], "buildah", "IMAGE_BUILDER"),
        ("docker", [()], "docker", "privileged"),
    ],
)
def test_the_builder_and_its_reason(
    wanted: str, tags: list[tuple[str, ...]], builder: str, why: str
) -> None:
    """The setting; else what all runners that take the jobs are tagged for; else kaniko."""
    found, reason = choose_builder([runner(n, *t) for n, t in enumerate(tags)], wanted)
    assert found == builder and why in reason


def test_the_builder_is_that_of_the_runners_that_take_the_jobs() -> None:
    """A runner that takes nothing of ours has no say."""
    rows = (runner(1, "buildah", status="offline"), runner(2, "buildkit"))
    assert seen(Facts(at=AT, runners=rows)).builder == "buildkit"


@pytest.mark.parametrize(
    ("version", "blocks"),
    [("16.8.3", True), ("15.11.0-ce", True), ("16.9.0", False), ("18.8.2-ee", False), ("", False),
     ("nightly", False)],
)  # fmt: skip
def test_an_old_gitlab_is_named(version: str, blocks: bool) -> None:
    """With the version that knows the file's keywords; one that cannot be read is no fault."""
    found = seen(Facts(at=AT, version=version)).blocked
    assert bool(found) is blocks
    assert not blocks or ".".join(map(str, OLDEST)) in found[0].text


def test_the_registry() -> None:
    """GitLab's own must be on; a name that means the runner itself is questioned; others pass."""
    off = Facts(at=AT, registry=False)
    own = "$CI_REGISTRY_IMAGE"
    assert "Container registry" in seen(off, image_registry=own).blocked[0].fix
    assert seen(Facts(at=AT), image_registry=own).findings == ()
    assert seen(off).findings == ()
    (hint,) = seen(Facts(at=AT), image_registry="localhost:5001/apps").findings
    assert hint.severity == "hint" and "`localhost:5001/apps`" in hint.text


def test_merge_requests_that_are_off_block() -> None:
    """There is nowhere to propose the pipeline then."""
    assert "Merge requests" in seen(Facts(at=AT, merge_requests=False)).blocked[0].text


def test_variables() -> None:
    """Missing ones by name, those that jobs fail without first; protected ones do not arrive."""
    facts = Facts(
        at=AT,
        variables=(
            Variable("SONAR_TOKEN", protected=True), Variable("REGISTRY_PASSWORD"),
            Variable("OTHER", protected=True),
        ),
    )  # fmt: skip
    required = {"SONAR_TOKEN": False, "REGISTRY_PASSWORD": True, "HEC_TOKEN": False, "KEY": True}
    found = seen(facts, required=required).findings
    assert [finding.severity for finding in found] == ["blocks", "hint", "hint"]
    assert "fail without" in found[0].text and found[0].text.endswith("`KEY`.")
    assert "left out without" in found[1].text and found[1].text.endswith("`HEC_TOKEN`.")
    assert found[2].text.endswith("this branch: `SONAR_TOKEN`.")
    assert seen(Facts(at=AT), required=required).findings == ()


def test_what_was_not_looked_at_is_said_once_for_each_reason() -> None:
    """No fault, and no silence."""
    why = "that needs a token whose user is Maintainer"
    facts = Facts(at=AT, unseen={"runners": why, "CI variables": why, "x": "GitLab did not answer"})
    texts = [finding.text for finding in seen(facts).findings]
    assert texts == [
        "Not looked at: runners and CI variables. That needs a token whose user is Maintainer.",
        "Not looked at: x. GitLab did not answer.",
    ]


def test_the_section() -> None:
    """When, how many runners, the builder and why, then what is needed, first what blocks."""
    facts = Facts(at=AT, runners=(runner(), runner(2)), merge_requests=False, unseen={"x": "no"})
    text = section(seen(facts), builds_image=True)
    assert text.startswith("## Before it can run here\n\nLooked at on `2025-11-24 16:00 UTC`.")
    assert "2 runners take its jobs. The image is built with `kaniko`: it needs no" in text
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert lines[0].startswith("- **Needed:** Merge requests are switched off")
    assert lines[1].startswith("- Not looked at: x.")
    assert "image is built" not in section(seen(facts), builds_image=False)
    assert section(None, builds_image=True) == ""


@given(st.text(max_size=60), st.text(max_size=60))
def test_names_of_the_instance_do_nothing_in_the_text(tag: str, key: str) -> None:
    """Tags, variables and versions are anybody's words: no mention, quick action, link or HTML."""
    evil = [tag, f"/merge {tag}", f"@all {tag}", f"<img src={tag}>", f"`{tag}` #1"]
    facts = Facts(
        at=AT,
        runners=tuple(runner(n, text, run_untagged=False) for n, text in enumerate(evil, 1)),
        variables=(),
        version=f"1.0 {tag}",
    )
    found = seen(facts, required={key: True, f"@{key}": False}, image_registry=f"localhost/{tag}")
    assert unsafe_lines(section(found, builds_image=True)) == []


def test_facts_come_back_as_they_were_kept() -> None:
    """Through JSON and back, as Redis holds them."""
    facts = Facts(at=AT, runners=(runner(1, "a"),), variables=(Variable("A", True),), unseen={})
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Facts) == facts
    assert Finding("hint", "x") == Finding("hint", "x", "")
