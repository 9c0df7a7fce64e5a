"""One plan for several apps: whose jobs run when, what stands once, and what the policy refuses."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import pytest
import yaml

from service.sandbox import ci_config
from service.sandbox.expressions import holds
from tests.golden.monorepos import services, twelve, within
from tests.golden.stacks import GO, NEXUS, NODE_NPM, PYTHON_UV
from workers.detect.analysis import Analysis, App
from workers.pipeline import policy, several
from workers.pipeline.plan import PROJECT_KEY, Plan, build
from workers.pipeline.render import render
from workers.pipeline.templates import Templates
from workers.steps.generate import Generated, generate
from workers.steps.learn import lesson
from workers.steps.retrieve import from_templates

TEMPLATES = Templates.load()
API = within("services/api", GO, dockerfile="services/api/Dockerfile")
ML = within("services/ml", PYTHON_UV)
WEB = within("web", NODE_NPM, dockerfile="web/Dockerfile")
THREE = services(API, ML, WEB, shared=("libs/", "Makefile"))
REGISTRY = {"REGISTRY_USER": "u", "REGISTRY_PASSWORD": "p"}


def made(analysis: Analysis) -> Generated:
    return generate(analysis, from_templates(analysis, None, TEMPLATES), NEXUS, None)


@functools.cache
def three() -> Plan:
    return made(THREE).plan


@functools.cache
def dozen() -> Plan:
    return made(twelve()).plan


def pipeline(plan: Plan) -> str:
    return render(plan)[".gitlab-ci.yml"]


def jobs(plan: Plan) -> dict[str, dict[str, Any]]:
    """The visible jobs as GitLab has them once `extends` is merged."""
    return parsed(pipeline(plan))


@functools.cache
def parsed(text: str) -> dict[str, dict[str, Any]]:
    return ci_config.parse(text).jobs


def run(plan: Plan, changed: list[str], variables: dict[str, str]) -> set[str]:
    """Names of the jobs of a pipeline for changed files, by GitLab's meaning of `rules`."""
    return {name for name, job in jobs(plan).items() if _runs(job, changed, variables)}


def _runs(job: dict[str, Any], changed: list[str], variables: dict[str, str]) -> bool:
    for rule in job.get("rules", [{}]):
        globs = rule.get("changes")
        met = globs is None or any(
            fnmatchcase(c, g.replace("**/*", "*")) for c in changed for g in globs
        )
        fits = holds(rule["if"], variables) if "if" in rule else True
        if fits and met:
            return bool(rule.get("when") != "never")
    return False


def of(app: str, names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(f"{app}:")}


MERGE_REQUEST = {
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_DEFAULT_BRANCH": "main",
    **REGISTRY,
}
MAIN = {
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_BRANCH": "main",
    "CI_DEFAULT_BRANCH": "main",
    **REGISTRY,
}


def test_a_merge_request_runs_the_jobs_of_the_apps_it_touches() -> None:
    """A file of one app runs that app's jobs alone, beside those that look at the whole."""
    names = run(three(), ["services/ml/app/main.py"], MERGE_REQUEST)
    assert {"ml:compile", "ml:unit_tests"} <= names
    assert of("api", names) == of("web", names) == set()
    assert {"filesystem_scan", "learn_record"} <= names


@pytest.mark.parametrize("changed", [".gitlab-ci.yml", "libs/common/x.py", "Makefile"])
def test_what_all_use_runs_all(changed: str) -> None:
    """The pipeline itself, a shared folder and a shared file are everyone's."""
    plan = three()
    names = run(plan, [changed], MERGE_REQUEST)
    released = {"api:release_image", "web:release_image"}
    sonar = {"api:sonar", "ml:sonar", "web:sonar", "notify_success", "notify_failure"}
    assert names == set(jobs(plan)) - released - sonar


def test_the_default_branch_runs_everything() -> None:
    """Whatever changed: a change that an app's folder does not show is caught there."""
    plan = three()
    secrets = {
        "SONAR_TOKEN": "t",
        "SONAR_HOST_URL": "u",
        "SPLUNK_HEC_URL": "u",
        "SPLUNK_HEC_TOKEN": "t",
    }
    assert run(plan, ["README.md"], {**MAIN, **secrets}) == set(jobs(plan))


def test_a_docs_change_still_makes_a_pipeline() -> None:
    """Without any job there would be no pipeline, and who waits for one would wait forever."""
    assert "filesystem_scan" in run(three(), ["README.md"], MERGE_REQUEST)


@pytest.mark.parametrize(
    "changed", ["services/api/main.go", "web/a.js", "libs/x", ".gitlab-ci.yml"]
)
@pytest.mark.parametrize("variables", [MERGE_REQUEST, MAIN, {**MAIN, "SECURITY_GATE": "true"}])
def test_whatever_runs_finds_what_it_needs(changed: str, variables: dict[str, str]) -> None:
    """GitLab makes no pipeline at all where a job needs one that its rules left out."""
    plan = three()
    names = run(plan, [changed], variables)
    for name in names:
        needs = ci_config.needs_of(jobs(plan)[name]) or []
        assert len(needs) <= 50
        assert {need for need, optional in needs if not optional} <= names, name


def test_each_job_works_in_its_folder_and_reports_from_the_root() -> None:
    """The folder is a variable of the app's base; cache keys name the app's own lock file."""
    whole = jobs(three())
    tests = whole["ml:unit_tests"]
    assert tests["variables"]["APP_DIR"] == "services/ml"
    assert tests["before_script"][0] == 'cd "$APP_DIR"'
    assert tests["artifacts"]["reports"]["junit"] == "$APP_DIR/report.xml"
    assert tests["cache"]["key"]["files"] == ["services/ml/uv.lock"]
    image = whole["web:build_image"]
    assert image["variables"]["IMAGE_NAME"] == f"{PROJECT_KEY}-web"
    assert '--context "$CI_PROJECT_DIR/$APP_DIR"' in image["script"][0]
    assert '--dockerfile "$CI_PROJECT_DIR/$APP_DIR/Dockerfile"' in image["script"][0]
    assert whole["web:release_image"]["needs"][1] == "web:build_image"
    assert "ml:build_image" not in whole


def test_a_dockerfile_deeper_in_the_app_is_built_from_the_apps_folder() -> None:
    deep = services(API, within("web", NODE_NPM, dockerfile="web/docker/Dockerfile"))
    script = jobs(made(deep).plan)["web:build_image"]["script"][0]
    assert '--context "$CI_PROJECT_DIR/$APP_DIR"' in script
    assert "$APP_DIR/docker/Dockerfile" in script


def test_what_is_everyones_stands_once() -> None:
    """One scan of all files, one notification each way, one last job; the nine stages stay."""
    document = yaml.safe_load(pipeline(dozen()))
    assert list(document)[-1] == "learn_record"
    assert len(document["stages"]) == 9
    for name in ("filesystem_scan", "notify_success", "learn_record"):
        assert [key for key in document if key.endswith(name)] == [name]


def test_common_parts_change_nothing_but_the_length() -> None:
    """Each app's merged job is the one that its plan alone would have given it."""
    analysis = twelve()
    whole = jobs(made(analysis).plan)
    for part in several.parts(analysis):
        template, _ = TEMPLATES.best(part.language, part.framework)
        alone = jobs(build(template, part, NEXUS, among=True))
        name = part.facts["path"].rpartition("/")[2]
        own = {n: job for n, job in alone.items() if f"{name}:{n}" in whole}
        assert {"compile", "unit_tests", "build_image"} <= set(own)
        for job_name, job in own.items():
            got = whole[f"{name}:{job_name}"]
            for key in ("script", "before_script", "image", "artifacts", "cache", "coverage"):
                if key == "script" and job_name in ("build_image", "sonar"):
                    continue  # they name the app's folder and its key, judged above
                assert got.get(key) == job.get(key), f"{name}:{job_name} {key}"
            assert got.get("allow_failure") == job.get("allow_failure")


def test_apps_of_one_stack_share_what_they_have_in_common() -> None:
    """Twelve services take no twelve copies: a script stands once for a stack."""
    text = pipeline(dozen())
    assert text.count("gocover-cobertura@") == 1
    assert text.count("/kaniko/executor") == 1
    assert len(text) < policy.MAX_BYTES


def test_names_are_short_and_never_shared() -> None:
    """An app is called by its folder, by its path where two folders have one name."""
    twins = services(within("shop/api", GO), within("bank/api", GO), within("Web.UI", NODE_NPM))
    assert [app.name for app in made(twins).plan.apps] == ["shop-api", "bank-api", "web-ui"]


def test_where_names_cannot_be_told_apart_the_main_app_stands_alone() -> None:
    """A pipeline for one app is better than none, and why it is so is said."""
    paths = ("x/api", "X/api", "x-api-1")
    twins = services(*(within(path, GO) for path in paths))
    found = made(twins)
    assert found.plan.apps == ()
    assert "unit_tests" in found.plan.jobs
    assert str(found.fallback_reason).startswith("several apps: two apps would both have")


def test_versions_are_each_apps_own() -> None:
    two = services(within("a", GO), within("b", msgspec.structs.replace(GO, version="1.25")))
    whole = jobs(made(two).plan)
    assert whole["a:compile"]["image"] == "golang:1.24-bookworm"
    assert whole["b:compile"]["image"] == "golang:1.25-bookworm"


def test_people_are_told_of_each_variable_once_and_of_what_was_left_out() -> None:
    plan = three()
    required = {row.name: row.used_by for row in plan.required_variables}
    assert len(required) == len(plan.required_variables)
    assert required["REGISTRY_USER"][:3] == (
        "api:build_image",
        "api:container_scan",
        "api:release_image",
    )
    assert "web:build_image" in required["REGISTRY_USER"]
    assert any(
        note.startswith("ml: No image is built, scanned or released: ") for note in plan.notes
    )
    assert not any("not built yet" in note for note in plan.notes)


def test_more_apps_than_a_file_can_hold_are_named() -> None:
    many = services(*(within(f"s/{number:02}", GO) for number in range(several.MOST + 2)))
    plan = made(many).plan
    assert len(plan.apps) == several.MOST
    assert any("s/20, s/21" in note for note in plan.notes)


def test_a_folder_that_could_not_stand_in_a_script_gets_no_jobs() -> None:
    """Its text is nowhere; two others still get theirs."""
    evil = services(API, within("x; id", GO), WEB)
    text = pipeline(made(evil).plan)
    assert "; id" not in text
    assert [app.path for app in made(evil).plan.apps] == ["services/api", "web"]


def test_one_app_that_is_left_is_no_monorepo() -> None:
    one = msgspec.structs.replace(services(API, within("x; id", GO)), apps=(App("services/api"),))
    assert made(one).plan.apps == ()


def test_a_workspace_tells_which_images_it_leaves_out() -> None:
    facts = {"member_dockerfiles": "apps/api/Dockerfile apps/web/Dockerfile"}
    root = msgspec.structs.replace(NODE_NPM, monorepo="npm", facts=facts)
    notes = made(root).plan.notes
    assert any("apps/api/Dockerfile, apps/web/Dockerfile" in note for note in notes)


def test_nothing_is_learned_of_several_apps() -> None:
    """Their common end says nothing of one stack alone, so no record is made or spoilt."""
    plan = three()
    assert lesson(plan, THREE, render(plan)) is None
    alone = made(GO).plan
    assert lesson(alone, GO, render(alone)) is not None


def test_the_same_apps_give_the_same_bytes() -> None:
    assert made(twelve()).plan.digest == dozen().digest
    assert render(made(twelve()).plan) == render(dozen())


# -- policy


def refused(change: Callable[[dict[str, Any]], object]) -> set[str]:
    plan = three()
    files = render(plan)
    assert policy.check(plan, files) == []
    document = copy.deepcopy(yaml.safe_load(files[".gitlab-ci.yml"]))
    change(document)
    text = yaml.safe_dump(document, sort_keys=False)
    return {line.partition(":")[0] for line in policy.check(plan, {".gitlab-ci.yml": text})}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("path", lambda d: d[".api:base"]["variables"].update(APP_DIR="../other")),
        ("path", lambda d: d["variables"].update(APP_DIR="/etc")),
        ("path", lambda d: d["ml:unit_tests"]["rules"].append({"variables": {"APP_DIR": "/"}})),
        ("path", lambda d: d["api:compile"]["artifacts"].update(paths=["$HOME/.ssh"])),
        ("rule", lambda d: d[".api:base"]["rules"][1].update(changes=["../x"])),
        ("rule", lambda d: d[".api:base"]["rules"][1].update(changes=["$(id)"])),
        ("rule", lambda d: d[".api:base"]["rules"].insert(0, {"if": "$CI", "when": "never"})),
        ("reference", lambda d: d["api:compile"].update(extends=[".api:go", ".elsewhere"])),
        ("reference", lambda d: d["api:compile"].update(extends=[".api:go", "ml:compile"])),
        ("image", lambda d: d["api:compile"].update(image="golang:1.23-bookworm")),
    ],
)  # fmt: skip
def test_the_policy_judges_every_app(code: str, change: Callable[[dict[str, Any]], object]) -> None:
    """One fault in one app's jobs, and the whole may not be committed."""

    def with_rules(document: dict[str, Any]) -> None:
        document["ml:unit_tests"].setdefault("rules", [])
        change(document)

    assert code in refused(with_rules)


def test_a_choice_must_be_of_its_own_apps_ecosystem() -> None:
    """What Node may run, Go may not: a slot is judged by the grammar of the app that has it."""
    plan = three()
    first, web = plan.apps[0], plan.apps[2]
    slot = f"{first.prefix}test_command"
    swapped = msgspec.structs.replace(plan, choices={**plan.choices, slot: "npm test"})
    assert any(slot in line for line in policy.check(swapped, render(swapped)))
    same = msgspec.structs.replace(
        plan, choices={**plan.choices, f"{web.prefix}test_command": "npm test"}
    )
    assert policy.check(same, render(same)) == []


def test_an_app_whose_folder_is_no_folder_is_refused() -> None:
    plan = three()
    evil = msgspec.structs.replace(plan.apps[0], path="a b")
    changed = msgspec.structs.replace(plan, apps=(evil, *plan.apps[1:]))
    assert any(line.startswith("slot: 'a b'") for line in policy.check(changed, render(changed)))
