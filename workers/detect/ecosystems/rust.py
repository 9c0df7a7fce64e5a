"""Cargo beyond the table: workspaces, editions, binaries."""

from __future__ import annotations

import re

from workers.detect.found import Folder, Found
from workers.detect.monorepo import counted, expand


def refine(folder: Folder, found: Found) -> None:
    """Adds the workspace's members, the package's name and its entry point."""
    data = folder.toml("Cargo.toml", rank=0)
    package, workspace = data.get("package"), data.get("workspace")
    if isinstance(package, dict):
        found.facts["artifact"] = str(package.get("name", ""))
        if isinstance(package.get("edition"), str):
            found.facts["edition"] = package["edition"]
    if isinstance(workspace, dict):
        _workspace(folder, found, workspace, isinstance(package, dict))
    binaries = data.get("bin")
    first = binaries[0] if isinstance(binaries, list) and binaries else None
    if isinstance(first, dict) and isinstance(first.get("path"), str):
        line = folder.line("Cargo.toml", "[[bin]]")
        found.set("entry_point", first["path"], folder.full("Cargo.toml"), line)
    source = next((p for p in folder.below if p.endswith(".rs") and _tests_inside(folder, p)), None)
    proofs = (p for p in folder.below if p.endswith(".rs") and "/tests/" in f"/{p}")
    found.has_tests = found.has_tests or source is not None or any(proofs)


def _workspace(folder: Folder, found: Found, workspace: dict[str, object], root: bool) -> None:
    named, excluded = workspace.get("members"), workspace.get("exclude")
    globs = [str(glob) for glob in named] if isinstance(named, list) else []
    globs += [f"!{glob}" for glob in excluded] if isinstance(excluded, list) else []
    found.members = expand(folder, globs, ("Cargo.toml",))
    if not root and not counted(found.members):
        found.facts["members"] = "asides"
    if len(found.members) + root > 1:
        line = folder.line("Cargo.toml", "[workspace")
        found.set("monorepo", "cargo", folder.full("Cargo.toml"), line)


def _tests_inside(folder: Folder, path: str) -> bool:
    """Whether the two usual homes of unit tests hold some; other files are not read for it."""
    if path not in ("src/lib.rs", "src/main.rs"):
        return False
    return re.search(r"^\s*#\[(?:\w+::)?test\]", folder.text(path, rank=3) or "", re.M) is not None
