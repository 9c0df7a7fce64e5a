"""Plans: what a repository and a site make of a template."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from tests.golden.stacks import DEFAULT, GO, JAVA_MAVEN, NEXUS, OWN_REGISTRY, PYTHON_UV
from workers.detect.analysis import Analysis, App, Service
from workers.errors import Misconfigured, Rejected
from workers.pipeline import policy
from workers.pipeline.images import Image, mirrored, offered
from workers.pipeline.plan import Plan, Site, build, candidates, portable, usable
from workers.pipeline.render import render
from workers.pipeline.schema import STAGES
from workers.pipeline.templates import Templates

TEMPLATES = Templates.load()
GO_TEMPLATE = TEMPLATES.best("go", None)[0]


def go(site: Site = NEXUS, **changes: object) -> Plan:
    return build(GO_TEMPLATE, msgspec.structs.replace(GO, **changes), site)


def document(plan: Plan) -> dict[str, dict[str, object]]:
    loaded: dict[str, dict[str, object]] = yaml.safe_load(render(plan)[".gitlab-ci.yml"])
    return loaded


def test_names_that_the_contract_fixes() -> None:
    """Stages, the last job, the backend's address, the image's parts."""
    pipeline = document(go())
    assert tuple(pipeline["stages"]) == STAGES
    assert list(pipeline)[-1] == "learn_record"
    variables = pipeline["variables"]
    assert variables["DEVOPS_BACKEND_URL"] == "https://devops.example.com"
    assert variables["IMAGE_REGISTRY"] == "ai-nexus:5001/apm-repo/demo"
    assert {"IMAGE_NAME", "IMAGE_TAG", "RELEASE_TAG"} <= set(variables)
    assert {"notify_success", "notify_failure"} <= set(pipeline)


def test_every_stage_has_a_job_where_there_is_an_image_and_tests() -> None:
    assert {node.stage for node in go().stage_graph()} == set(STAGES)


def test_learn_record_sends_nothing() -> None:
    """No token, no request: it only says where the run is shown."""
    text = str(document(go())["learn_record"])
    assert "curl " not in text
    assert "TOKEN" not in text


def test_same_input_same_plan_same_bytes() -> None:
    assert go().digest == go().digest
    assert render(go()) == render(go())
    assert len(go().digest) == 64
    assert go().digest != go(port=9090).digest
    assert f"sha256:{go().digest}" in render(go())[".gitlab-ci.yml"]


def test_header_names_generator_template_and_plan() -> None:
    plan = go()
    head = render(plan)[".gitlab-ci.yml"].splitlines()[:2]
    assert plan.generator in head[0]
    assert f"{plan.template}@{plan.template_version}" in head[1]


def test_best_candidate_is_taken_and_another_may_be_chosen() -> None:
    allowed = candidates(GO_TEMPLATE, GO)
    assert allowed["test_command"] == ("go test ./...", "make test")
    assert allowed["version"][0] == "1.24"
    chosen = build(GO_TEMPLATE, GO, NEXUS, {"test_command": "make test"})
    assert chosen.choices["test_command"] == "make test"
    assert document(chosen)["unit_tests"]["script"] == ["make test"]
    assert "artifacts" not in document(chosen)["unit_tests"]


def test_a_choice_outside_the_candidates_is_rejected() -> None:
    for choices in ({"test_command": "make deploy"}, {"nothing": "x"}, {"version": "9.9"}):
        with pytest.raises(Rejected):
            build(GO_TEMPLATE, GO, NEXUS, choices)


def test_a_command_that_means_the_default_is_not_offered_beside_it() -> None:
    """Nothing is won by choosing it, and the reports of the default would be lost."""
    same = msgspec.structs.replace(GO, commands={"test": ("go test -v ./...", "make test")})
    assert candidates(GO_TEMPLATE, same)["test_command"] == ("go test ./...", "make test")


def test_slots_without_a_value_are_no_candidates() -> None:
    assert "port" not in candidates(GO_TEMPLATE, Analysis(language="go"))


def test_portable_choices_hold_no_repository_text() -> None:
    """Versions and a template's own defaults may be stored; paths, ports and scripts may not."""
    stored = portable(build(GO_TEMPLATE, GO, NEXUS, {"test_command": "make test"}))
    assert stored["version"] == "1.24"
    assert stored["build_command"] == "go build -trimpath ./..."
    assert not {"main", "test_command", "port"} & set(stored)


def test_stored_choices_are_used_only_where_they_are_candidates() -> None:
    allowed = candidates(GO_TEMPLATE, msgspec.structs.replace(GO, version="1.25"))
    stored = {"version": "1.24", "test_command": "go test ./...", "gone": "x"}
    assert usable(stored, allowed) == {"test_command": "go test ./..."}


def test_no_tests_no_test_job_and_a_note() -> None:
    plan = go(has_tests=False)
    assert "unit_tests" not in document(plan)
    assert any("No tests" in note for note in plan.notes)
    assert all("unit_tests" not in (node.needs or ()) for node in plan.stage_graph())


def test_no_entry_point_no_dockerfile_and_no_image() -> None:
    """Where nothing tells what an image would run, none is written, built, scanned or released."""
    plan = go(entry_point=None)
    assert set(render(plan)) == {".gitlab-ci.yml"}
    assert not {"build_image", "container_scan", "release_image"} & set(document(plan))
    assert any("main" in note for note in plan.notes)


def test_a_persons_dockerfile_is_built_and_not_written() -> None:
    plan = go(dockerfile="deploy/Dockerfile")
    assert set(render(plan)) == {".gitlab-ci.yml"}
    assert "$CI_PROJECT_DIR/deploy/Dockerfile" in str(document(plan)["build_image"]["script"])


def test_servers_that_tests_need_are_started_and_pointed_to() -> None:
    job = document(build(TEMPLATES.best("python", "fastapi")[0], PYTHON_UV, NEXUS))["unit_tests"]
    assert [s["alias"] for s in job["services"]] == ["postgres", "redis"]  # type: ignore[attr-defined]
    assert {"DATABASE_URL", "REDIS_URL"} <= set(job["variables"])  # type: ignore[call-overload]


def test_a_server_we_do_not_know_is_said() -> None:
    plan = go(services=(Service("cassandra"),))
    assert any("cassandra" in note for note in plan.notes)


def test_variables_that_a_person_sets() -> None:
    """Name, reason and jobs; a secret is marked; what the file defines itself is not asked for."""
    rows = {row.name: row for row in go().required_variables}
    assert rows["REGISTRY_PASSWORD"].secret
    assert not rows["REGISTRY_USER"].secret
    assert rows["SONAR_TOKEN"].used_by == ("sonar",)
    assert "SPLUNK_HEC_URL" not in rows
    assert "SPLUNK_HEC_URL" in {row.name for row in go(Site()).required_variables}


def test_gitlabs_own_registry_needs_no_variable() -> None:
    plan = go(OWN_REGISTRY)
    assert not {"REGISTRY_USER", "REGISTRY_PASSWORD"} & {r.name for r in plan.required_variables}
    variables = document(plan)["variables"]
    assert variables["IMAGE_REGISTRY"] == "$CI_REGISTRY_IMAGE"
    assert variables["REGISTRY_PASSWORD"] == "$CI_REGISTRY_PASSWORD"


@pytest.mark.parametrize(
    ("builder", "image"),
    [
        ("kaniko", "ghcr.io/osscontainertools/kaniko"),
        ("buildkit", "moby/buildkit"),
        ("buildah", "quay.io/buildah/stable"),
        ("docker", "docker"),
    ],
)
def test_the_builder_is_a_setting(builder: str, image: str) -> None:
    plan = go(msgspec.structs.replace(NEXUS, builder=builder))
    assert image in str(document(plan)["build_image"]["image"])
    assert "BASE_REGISTRY=$BASE_REGISTRY" in str(document(plan)["build_image"]["script"])


def test_optional_servers_are_left_out_by_rule() -> None:
    """A job that needs a variable runs only where it is set; it is not left to fail."""
    pipeline = document(go())
    for name, variable in {
        "sonar": "$SONAR_TOKEN",
        "notify_success": "$SPLUNK_HEC_TOKEN",
        "build_image": "$REGISTRY_PASSWORD",
        "container_scan": "$REGISTRY_PASSWORD",
        "release_image": "$REGISTRY_PASSWORD",
    }.items():
        rules = pipeline[name]["rules"]
        assert isinstance(rules, list)
        assert all(variable in rule["if"] for rule in rules)


def test_addresses_of_the_site_are_checked() -> None:
    """A setting ends up in a file that others run."""
    for site in (
        Site(backend_url="http://x; id"),
        Site(image_registry="x y"),
        Site(sonar_host_url="ftp://x"),
        Site(splunk_hec_url="https://user:pw@x"),
        Site(mirror="$(id)"),
    ):
        with pytest.raises(Misconfigured):
            go(site)


def test_runner_tags_of_the_site() -> None:
    pipeline = document(go(Site(runner_tags=("ci-gen",))))
    assert pipeline["default"]["tags"] == ["ci-gen"]
    assert "tags" not in document(go())["default"]


def test_the_builtin_runs_what_the_repository_names() -> None:
    pipeline = document(build(TEMPLATES.best("cobol", None)[0], DEFAULT, NEXUS))
    assert pipeline["compile"]["script"] == ["make"]
    assert pipeline["unit_tests"]["script"] == ["make test"]
    empty = build(TEMPLATES.best(None, None)[0], Analysis(), NEXUS)
    assert not {"compile", "unit_tests", "build_image"} & set(document(empty))
    assert len(empty.notes) >= 3


def test_stage_graph_tells_jobs_needs_and_what_is_advisory() -> None:
    nodes = {node.job: node for node in go().stage_graph()}
    assert nodes["unit_tests"].needs == ()
    assert nodes["learn_record"].needs is None
    assert "container_scan" in (nodes["release_image"].needs or ())
    assert nodes["vet"].advisory
    assert nodes["notify_failure"].advisory, "as the hidden job that it extends"
    assert nodes["container_scan"].advisory, "by a rule, until SECURITY_GATE is set"
    assert not nodes["unit_tests"].advisory


def test_the_wrapper_is_used_where_there_is_one() -> None:
    template = TEMPLATES.best("java", "spring-boot")[0]
    assert "./mvnw" in str(document(build(template, JAVA_MAVEN, NEXUS))["compile"]["script"])
    bare = msgspec.structs.replace(JAVA_MAVEN, facts={})
    assert "mvn -B -ntp -DskipTests" in str(
        document(build(template, bare, NEXUS))["compile"]["script"]
    )


TABLE = Image(
    repository="x",
    tag="$[[ version ]]",
    versions=("3.8", "3.9", "3.12", "3.13"),
    eol=("3.8",),
)


@pytest.mark.parametrize(
    ("found", "versions"),
    [
        (None, ("3.13", "3.12", "3.9")),
        ("3.12", ("3.12", "3.13")),
        ("3.12.4", ("3.12", "3.13")),
        ("3.10", ("3.12", "3.13")),
        ("3.7", ("3.8", "3.13", "3.12", "3.9")),
        ("3", ("3.13",)),
        ("4.0", ("3.13",)),
        ("v3.9", ("3.9", "3.13", "3.12")),
        ("nonsense", ("3.13", "3.12", "3.9")),
    ],
)
def test_versions_offered(found: str | None, versions: tuple[str, ...]) -> None:
    """What is asked for first, then newer ones; without fixes only for whoever asks."""
    assert offered(TABLE, found) == versions


@pytest.mark.parametrize(
    ("reference", "served"),
    [
        ("golang:1.25", "nexus:5001/library/golang:1.25"),
        ("aquasec/trivy:0.74.0", "nexus:5001/aquasec/trivy:0.74.0"),
        ("quay.io/skopeo/stable:v1", "quay.io/skopeo/stable:v1"),
    ],
)
def test_a_mirror_proxies_docker_hub_alone(reference: str, served: str) -> None:
    assert mirrored(reference, "nexus:5001") == served
    assert mirrored(reference, None) == reference


IN_FOLDER = msgspec.structs.replace(
    PYTHON_UV,
    manifests=("backend/pyproject.toml",),
    lock_files=("backend/uv.lock",),
    apps=(App("backend", "python"), App("web", "typescript")),
    facts={"path": "backend"},
)


def test_an_app_below_the_root_is_worked_on_in_its_folder() -> None:
    """Jobs change into it; reports, artifacts and the cache's key are named from the root."""
    plan = build(TEMPLATES.best("python", "fastapi")[0], IN_FOLDER, NEXUS)
    pipeline = document(plan)
    assert pipeline[".python"]["before_script"][0] == "cd backend"  # type: ignore[index]
    assert pipeline[".python"]["cache"]["key"]["files"] == ["backend/uv.lock"]  # type: ignore[index]
    assert pipeline["compile"]["script"][0] == "cd backend"  # type: ignore[index]
    tests = pipeline["unit_tests"]["artifacts"]
    assert tests["reports"]["junit"] == "backend/report.xml"  # type: ignore[index]
    assert tests["reports"]["coverage_report"]["path"] == "backend/coverage.xml"  # type: ignore[index]
    assert "cd backend" not in str(pipeline["filesystem_scan"])
    assert any("1 other app" in note for note in plan.notes)
    assert policy.check(plan, render(plan)) == []


def test_a_dockerfile_in_the_apps_folder_is_built_from_there() -> None:
    own = msgspec.structs.replace(IN_FOLDER, dockerfile="backend/Dockerfile")
    script = str(
        document(build(TEMPLATES.best("python", None)[0], own, NEXUS))["build_image"]["script"]
    )
    assert '--context "$CI_PROJECT_DIR/backend"' in script
    assert '"$CI_PROJECT_DIR/backend/Dockerfile"' in script


def test_the_only_app_below_the_root_gets_a_dockerfile_that_is_built_from_the_root() -> None:
    """`docker build .` is what everybody types; what is copied stands in the app's folder."""
    alone = msgspec.structs.replace(IN_FOLDER, apps=(App("backend", "python"),))
    plan = build(TEMPLATES.best("python", "fastapi")[0], alone, NEXUS)
    files = render(plan)
    copies = [line for line in files["Dockerfile"].splitlines() if line.startswith("COPY ")]
    own = [line.split()[1:-1] for line in copies if "--from" not in line]
    assert own
    assert all(word.startswith("backend/") for words in own for word in words)
    assert {".git", ".env*", "backend/.env*"} <= set(files[".dockerignore"].splitlines())
    assert '--context "$CI_PROJECT_DIR" ' in files[".gitlab-ci.yml"]
    assert policy.check(plan, files) == []


def test_no_dockerfile_for_one_of_several_apps_or_a_member_of_a_workspace() -> None:
    """One file cannot be two images, and a member needs what stands beside it."""
    member = msgspec.structs.replace(IN_FOLDER, apps=(), monorepo="uv")
    for analysis in (IN_FOLDER, member):
        plan = build(TEMPLATES.best("python", "fastapi")[0], analysis, NEXUS)
        assert "Dockerfile" not in render(plan)


def test_a_folder_whose_name_could_not_stand_in_a_script_is_left_alone() -> None:
    evil = msgspec.structs.replace(IN_FOLDER, facts={"path": "x; id"})
    assert "x; id" not in str(render(build(TEMPLATES.best("python", None)[0], evil, NEXUS)))


def test_what_no_image_can_run_gets_no_dockerfile() -> None:
    """A war wants a server; a later variant of a framework does not bring the Dockerfile back."""
    war = msgspec.structs.replace(JAVA_MAVEN, facts={"packaging": "war"})
    plan = build(TEMPLATES.best("java", "spring-boot")[0], war, NEXUS)
    assert set(render(plan)) == {".gitlab-ci.yml"}
