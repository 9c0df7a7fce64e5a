"""Hostile repositories cost little: at most 25 reads, 60 seconds and 200 MB, whatever they hold.

Measured from outside: the sandbox counts the reads, and the time and memory are those of a process
that carries each out in a fork, from reading to validated files, as a worker does.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.gitlab import RunningSandbox, running_sandbox
from tests.support.measured import Cost, Question
from tests.support.service import Server

ROOT = Path(__file__).parents[2]
READS, SECONDS, MEGABYTES = 25, 60.0, 200.0
GO = {"go.mod": "module example.com/x\n\ngo 1.22\n", "main.go": "package main\n\nfunc main() {}\n"}
NODE = '{"name": "app", "scripts": {"test": "jest"}, "devDependencies": {"jest": "29"}'
HOSTILE_NAMES = (
    "..%2f..%2fetc%2fpasswd", "a\nb", "a\tb", "a\rb", "$(touch x)", "`id`", "; rm -rf ~", "-rf",
    "--help", "a'b", 'a"b', "<img src=x>", "{{7*7}}", "\u202egnp.exe", "\u200b", "COM1", "a\\b",
    "é" * 100, "x" * 250, "*", "?", "[a]", "~", "#", "%00", "%", " ", "a b", "CON.json", ".git",
    "package.json.", "Makefile ", "\ufeffgo.mod", "go.mod\n", "C:", "\x7f", "\x01", "|", "&",
)  # fmt: skip


def measured(questions: list[Question]) -> list[Cost]:
    """What each costs, in one process that forks."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.measured"], cwd=ROOT,
        input=msgspec.json.encode(questions), capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return msgspec.json.decode(done.stdout, type=list[Cost])


@pytest.fixture(scope="module")
def gitlab() -> Iterator[RunningSandbox]:
    """One sandbox for all."""
    with running_sandbox() as running:
        yield running


def _many() -> dict[str, str]:
    return {**GO, **{f"data/{n % 300:03}/{n:06}.txt": "" for n in range(100_000)}}


def _wide() -> dict[str, str]:
    """A manifest in each of 3,000 folders."""
    return {f"services/s{n:04}/package.json": NODE + "}" for n in range(3_000)} | GO


def _huge(size: int) -> dict[str, str]:
    filler = "x" * size
    return {"package.json": NODE + f', "description": "{filler}"}}', "index.js": ""}


def _several_huge() -> dict[str, str]:
    """Twelve manifests of 4 MB: more together than one answer of GraphQL may hold."""
    filler = "# " + "y" * 98 + "\n"
    names = (
        "go.mod",
        "Makefile",
        "Dockerfile",
        "compose.yaml",
        ".travis.yml",
        "Jenkinsfile",
        "pyproject.toml",
        "requirements.txt",
        "Cargo.toml",
        "pom.xml",
        "Gemfile",
        "setup.py",
    )
    return dict.fromkeys(names, filler * 40000) | {"main.go": "package main\n"}


def _names() -> dict[str, str]:
    files = {name.replace("/", ""): "x" for name in HOSTILE_NAMES}
    return files | {f"d/{name.replace('/', '')}/package.json": "{}" for name in files} | GO


REPOSITORIES: Mapping[str, Callable[[], dict[str, str]]] = {
    "100,000 files": _many,
    "3,000 manifests": _wide,
    "a manifest of 50 MB": lambda: _huge(50_000_000),
    "48 MB of manifests": _several_huge,
    "hostile names": _names,
    "deep folders": lambda: {"/".join(["d"] * n) + "/go.mod": "module x\n" for n in range(1, 400)},
}


@pytest.fixture(scope="module")
def costs(gitlab: RunningSandbox) -> dict[str, tuple[Cost, int]]:
    """Cost and reads of each repository."""
    found = {}
    paths = {name: f"evil/r{n}" for n, name in enumerate(REPOSITORIES)}
    for name, path in paths.items():
        gitlab.client.create_project(path, files=REPOSITORIES[name]())
    linked = gitlab.client.create_project("evil/links", files=GO).id
    targets = {"pom.xml": "/etc/passwd", "package.json": "../../../etc/shadow", "loop": "loop",
               "vendor/lib": "a" * 40, "docs": "."}  # fmt: skip
    modes = {name: "160000" if name == "vendor/lib" else "120000" for name in targets}
    gitlab.client.push(linked, targets, modes=modes)
    paths["links and submodules"] = "evil/links"
    for name, path in paths.items():
        gitlab.client.forget_calls()
        question = Question(gitlab.url, gitlab.token, path)
        (cost,) = measured([question])
        found[name] = (cost, len(gitlab.client.calls()))
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [*REPOSITORIES, "links and submodules"])
def test_a_hostile_repository_is_bounded(name: str, costs: dict[str, tuple[Cost, int]]) -> None:
    """Reads, seconds and memory; and it ends with an answer or a refusal, never a crash."""
    cost, reads = costs[name]
    print(f"{name}: {reads} reads, {cost.seconds:.1f} s, {cost.megabytes:.0f} MB, {cost.outcome}")
    assert reads <= READS and cost.seconds <= SECONDS and cost.megabytes <= MEGABYTES, (cost, reads)
    assert not cost.outcome.startswith("died"), cost


def test_what_hides_among_much_is_found(costs: dict[str, tuple[Cost, int]]) -> None:
    """The module at the root is found among a hundred thousand files and among hostile names; a
    link is no manifest."""
    for name in ("100,000 files", "hostile names", "links and submodules"):
        assert costs[name][0].outcome == "go", costs[name]


class Bomber:
    """A GitLab whose every answer unpacks to a gigabyte, whatever was asked to be sent."""

    def __init__(self) -> None:
        self.bomb = gzip.compress(bytes(1_000_000_000), 1)
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/{rest:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request.headers.get("accept-encoding", ""))
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return Response(self.bomb, headers=headers)


def test_an_answer_that_unpacks_to_a_gigabyte_is_not_unpacked() -> None:
    """We ask for none, and what comes all the same is refused as it is."""
    bomber = Bomber()
    with Server(bomber.app) as server:
        (cost,) = measured([Question(server.url, "glpat-x", "evil/gzip")])
    assert set(bomber.asked) == {"identity"} and len(bomber.asked) <= READS
    assert cost.seconds <= SECONDS and cost.megabytes <= MEGABYTES, cost
    assert cost.outcome.startswith(("Retryable", "Rejected")), cost


def _laughs(levels: int = 12) -> str:
    lines = ['a0: &a0 ["x","x","x","x","x","x","x","x","x"]']
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


def _merges(levels: int = 20) -> str:
    lines = ["k0: &k0 {a: 1}"]
    lines += [f"k{i}: &k{i}\n  <<: [*k{i - 1}, *k{i - 1}]" for i in range(1, levels)]
    return "\n".join(lines)


def _entities() -> str:
    rows = ['<!ENTITY a0 "ha">']
    rows += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)]
    return f"<!DOCTYPE p [{''.join(rows)}]><project><artifactId>&a11;</artifactId></project>"


YAML = {
    "laughs": _laughs(),
    "merges": _merges(),
    "self": "a: &a [*a]\n",
    "deep": "[" * 5_000,
    "blocks": "".join(" " * n + "a:\n" for n in range(1_200)),
    "tags": "!!python/name:os.system a",
    "number": "a: " + "9" * 100_000,
    "documents": "---\n" * 50_000,
    "keys": "? " * 20_000,
}
JSON = {
    "arrays": "[" * 200_000, "objects": '{"a":' * 100_000, "closed": "[" * 90_000 + "]" * 90_000,
    "number": '{"version": ' + "9" * 200_000 + "}", "exponent": '{"version": 1e999999999}',
    "keys": "{" + ",".join(f'"k{n}": {n}' for n in range(20_000)) + "}",
    "same key": "{" + ",".join('"scripts": {}' for _ in range(18_000)) + "}",
    "string": '{"name": "' + "\\u0041" * 40_000 + '"}', "surrogates": '{"name": "\\ud800"}',
    "null": '{"scripts": {"test": null}, "engines": [], "workspaces": {"packages": 1}}',
}  # fmt: skip
OTHERS = {
    "pom.xml": _entities(), "build.gradle": "a {\n" * 60_000, "Cargo.toml": "[a" * 80_000,
    "pyproject.toml": "a = " + "[" * 100_000, "go.mod": "require (\n" * 25_000,
    "requirements.txt": "-r requirements.txt\n" * 12_000, "Makefile": "a: a\n" * 50_000,
    "Gemfile": "gem '" * 50_000, "setup.py": "(" * 200_000, "mix.exs": "[" * 200_000,
    "pom": "<a>" * 80_000,
}  # fmt: skip


def _bombs() -> dict[str, dict[str, str]]:
    yaml_files = ("compose.yaml", ".travis.yml", ".github/workflows/ci.yml", ".devops-backend.yml",
                  "pnpm-workspace.yaml")  # fmt: skip
    found = {f"yaml {n}": dict.fromkeys(yaml_files, text) | GO for n, text in YAML.items()}
    json_files = ("package.json", "composer.json", "tsconfig.json", "deno.json", "turbo.json")
    found |= {f"json {n}": dict.fromkeys(json_files, text) for n, text in JSON.items()}
    found |= {f"other {n}": {"pom.xml" if n == "pom" else n: t} for n, t in OTHERS.items()}
    return found


@pytest.mark.timeout(300)
def test_thirty_bombs_fizzle() -> None:
    """YAML that laughs, JSON too deep for a stack, XML that multiplies: seconds and megabytes."""
    bombs = _bombs()
    assert len(bombs) >= 30
    for name, cost in zip(
        bombs, measured([Question(files=f) for f in bombs.values()]), strict=True
    ):
        assert cost.seconds <= 20 and cost.megabytes <= MEGABYTES, (name, cost)
        assert not cost.outcome.startswith("died"), (name, cost)


def test_the_measure_sees_what_it_should() -> None:
    """A fork that takes 300 MB, and one that dies, would be told of: otherwise nothing above
    would mean anything."""
    program = (
        "import tests.support.measured as m\n"
        "def much(question):\n"
        "    kept = bytearray(300_000_000); kept[::4096] = b'x' * len(kept[::4096])\n"
        "    return 'much'\n"
        "def dies(question): raise SystemExit(3)\n"
        "m._carry_out = much; print(m.measure(m.Question()).megabytes > 300)\n"
        "m._carry_out = dies; print(m.measure(m.Question()).outcome)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "True" and "died" in done.stdout, done.stderr[-500:]
