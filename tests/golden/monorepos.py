"""Repositories of several apps, as detection describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workers.detect.analysis import Analysis, App


def within(folder: str, part: Analysis, **changes: Any) -> Analysis:
    """`part` as one of several programs, in `folder`; its own files are named from the root."""
    own: dict[str, Any] = {
        "manifests": tuple(f"{folder}/{name}" for name in part.manifests),
        "lock_files": tuple(f"{folder}/{name}" for name in part.lock_files),
        "facts": {**part.facts, "path": folder},
        "apps": (App(folder, part.language, part.framework),),
    }
    return msgspec.structs.replace(part, **{**own, **changes})


def services(*parts: Analysis, shared: tuple[str, ...] = ()) -> Analysis:
    """The repository in which they stand side by side; the first is the main one."""
    return msgspec.structs.replace(
        parts[0],
        monorepo="services",
        apps=tuple(app for part in parts for app in part.apps),
        parts=parts,
        shared=shared,
    )


def workspace(tool: str, root: Analysis, members: Mapping[str, str | None]) -> Analysis:
    """A workspace that its own tool builds from the root."""
    apps = tuple(App(path, root.language, framework) for path, framework in members.items())
    return msgspec.structs.replace(root, monorepo=tool, apps=apps, dockerfile=None)


def _go(version: str) -> Analysis:
    return Analysis(
        language="go", ecosystem="go", package_manager="go", version=version, entry_point="main.go",
        has_tests=True, test_tool="go", manifests=("go.mod",), lock_files=("go.sum",),
        commands={"build": ("go build ./...",), "test": ("go test ./...",)},
    )  # fmt: skip


_PYTHON = Analysis(
    language="python", framework="fastapi", ecosystem="python", package_manager="pip",
    version="3.13", entry_point="main.py", port=8000, has_tests=True, test_tool="pytest",
    manifests=("requirements.txt",), commands={"test": ("pytest",)}, features=("fastapi", "pytest"),
)  # fmt: skip
_NODE = Analysis(
    language="typescript", ecosystem="node", package_manager="npm", version="22", has_tests=True,
    test_tool="vitest", manifests=("package.json",), lock_files=("package-lock.json",),
    commands={"build": ("npm run build",), "test": ("npm test",), "install": ("npm ci",)},
    features=("typescript", "vitest"),
)  # fmt: skip


def twelve() -> Analysis:
    """Twelve services of three stacks, each with its Dockerfile, and protocols that all share."""
    stacks = (
        (_go("1.24"), ("accounts", "billing", "catalog", "checkout")),
        (_PYTHON, ("emails", "images", "orders", "search")),
        (_NODE, ("admin", "gateway", "reports", "storefront")),
    )
    folders = {f"services/{name}": part for part, names in stacks for name in names}
    parts = [
        within(path, folders[path], dockerfile=f"{path}/Dockerfile") for path in sorted(folders)
    ]
    return services(*parts, shared=("proto/", "Makefile"))
