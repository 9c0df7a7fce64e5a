"""The sample repositories: small real programs that `demo` and the tests push."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

from service.sandbox.refusal import not_found
from service.sandbox.repository import Blob

EXECUTABLE = ("gradlew", "mvnw")
LEFTOVERS = frozenset({"__pycache__", "node_modules", "target", "build", ".pytest_cache", "dist"})


def names() -> list[str]:
    """All samples, sorted: `go-hello`, `go-orders`, …"""
    return sorted(entry.name for entry in _root().iterdir() if entry.is_dir())


def load(name: str) -> dict[str, Blob]:
    """A sample's files by path. Raises `Refusal` 404 for an unknown name."""
    if name not in names():
        raise not_found(f"Sample {name}")
    return dict(_walk(_root() / name, ""))


def _root() -> Traversable:
    return files("service.sandbox").joinpath("samples")


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Blob]]:
    found: list[tuple[str, Blob]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.is_dir():
            if entry.name not in LEFTOVERS:
                found += _walk(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith((".pyc", ".class")):
            mode = "100755" if entry.name in EXECUTABLE else "100644"
            found.append((prefix + entry.name, Blob(entry.read_bytes(), mode)))
    return found
