"""The everyday repositories."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.detect.trees import analysed


def test_go_module(tmp_path: Path) -> None:
    """A module is Go at the version of its directive, tested by the toolchain."""
    mod = "module example.com/x\n\ngo 1.22\n\nrequire (\n\tgithub.com/gin-gonic/gin v1.9.1\n)\n"
    found = analysed(tmp_path, {"go.mod": mod, "main.go": "", "main_test.go": ""})
    assert (found.language, found.framework, found.version) == ("go", "gin", "1.22")
    assert found.test_command == "go test ./..."
    assert any(
        e.claim == "version=1.22" and e.file == "go.mod" and e.line == 3 for e in found.evidence
    )


def test_next_with_pnpm(tmp_path: Path) -> None:
    """Next stands above React; the lock file names the manager, engines the version."""
    package = {
        "scripts": {"build": "next build", "test": "vitest run"},
        "dependencies": {"next": "14", "react": "18"},
        "engines": {"node": ">=20.1"},
    }
    files = {
        "package.json": json.dumps(package),
        "pnpm-lock.yaml": "",
        "app/page.tsx": "",
        "tsconfig.json": "",
    }
    found = analysed(tmp_path, files)
    assert (found.language, found.framework) == ("typescript", "nextjs")
    assert (found.package_manager, found.version, found.test_tool) == ("pnpm", "20", "vitest")
