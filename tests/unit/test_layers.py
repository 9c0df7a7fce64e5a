"""The arrows of the layout: which module may know which. A newcomer can trust the folders."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SHARED = (
    "workers.store", "workers.settings", "workers.errors", "workers.events", "workers.runs",
    "workers.queues", "workers.kept", "workers.seal", "workers.hook_secrets", "workers.logs",
)  # fmt: skip
"""What the HTTP edge shares with the workers: what Redis holds, values, secrets; no pipelines."""

COMPOSITION = {"service.cli", "service.stack", "service.start", "service.demo", "service.checks"}
"""The command line starts workers and looks at everything; no request ever reaches it."""


def modules(package: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        if "samples" not in path.parts:
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Our own modules that a file imports, at its top or inside."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            known = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {
                name
                for name in known
                if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
            }
    return {name for name in found if name.split(".")[0] in ("service", "workers")}


def within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_workers_never_import_service() -> None:
    """The arrow between the two packages runs one way."""
    for name, path in modules("workers").items():
        assert not {i for i in imports(path) if i.startswith("service")}, name


def test_the_edge_knows_stores_and_nothing_of_pipelines() -> None:
    """`service` imports only what is shared; the command line and the sandbox stand apart."""
    for name, path in modules("service").items():
        if name in COMPOSITION or name.startswith(("service.commands", "service.sandbox")):
            continue
        ours = {i for i in imports(path) if i.startswith("workers.")}
        beyond = {i for i in ours if not within(i, SHARED)}
        assert not beyond, f"{name} imports {sorted(beyond)}"


def test_the_sandbox_is_no_part_of_the_edge() -> None:
    """No module that serves requests knows the sandbox; the program cannot tell it from GitLab."""
    for name, path in {**modules("service"), **modules("workers")}.items():
        if name != "service.demo" and not name.startswith("service.sandbox"):
            assert not {i for i in imports(path) if i.startswith("service.sandbox")}, name


@pytest.mark.parametrize(
    ("package", "may"),
    [
        ("workers.detect", ("workers.detect", "workers.errors", "workers.settings")),
        ("workers.pipeline", ("workers.pipeline", "workers.detect.analysis", "workers.errors",
                              "workers.settings")),
        ("workers.clients", ("workers.clients", "workers.detect.analysis", "workers.vectors",
                             "workers.errors", "workers.settings")),
        ("workers.steps", ("workers.steps", "workers.clients", "workers.detect", "workers.pipeline",
                           "workers.store.learned", "workers.store.learned_records",
                           "workers.errors", "workers.settings")),
        ("workers.store", ("workers.store", "workers.errors", "workers.events", "workers.runs",
                           "workers.queues", "workers.settings", "workers.seal",
                           "workers.confidence")),
    ],
)  # fmt: skip
def test_arrows_run_from_steps_to_leaves(package: str, may: tuple[str, ...]) -> None:
    """steps → clients, detect, pipeline; those, and the store, know only values beside them."""
    for name, path in modules("workers").items():
        if name.startswith(package):
            beyond = {
                i for i in imports(path)
                if i != "workers" and not within(i, may)
            }  # fmt: skip
            assert not beyond, f"{name} imports {sorted(beyond)}"


def test_nothing_happens_at_import() -> None:
    """Importing every module opens no socket and reads no settings."""
    names = sorted({**modules("workers"), **modules("service")})
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket at import')\n"
        "socket.socket.connect = refuse\n"
        "import importlib\n"
        f"for name in {names!r}:\n"
        "    if not name.endswith('__main__'): importlib.import_module(name)\n"
    )
    env = {"PATH": "/usr/bin:/bin", "POLL_INTERVAL_S": "not a number", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=env
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_modules_stay_readable() -> None:
    """About 250 lines at most, functions of 60 at most; a few of data or routes run longer."""
    long = {}
    for name, path in {**modules("workers"), **modules("service")}.items():
        text = path.read_text()
        if text.count("\n") > 400:
            long[name] = text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or 0) - node.lineno + 1
                if size > 60:
                    long[f"{name}:{node.name}"] = size
    assert not long
