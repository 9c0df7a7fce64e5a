"""A known vulnerability ends CI: the very command of `.ci/test`, against an advisory service."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.loopback import Asked, loopback

ROOT = Path(__file__).parents[2]
FINDING = {
    "id": "PYSEC-0000-1", "summary": "A page may carry out what it was given.",
    "affected": [{
        "package": {"name": "jinja2", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
    }],
}  # fmt: skip
"""An advisory as OSV's schema writes it; made up, since the service itself is not asked here."""


class Advisories:
    """An OSV service that knows findings by package name, and what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.asked: set[str] = set()
        self.url = ""


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    made = Advisories()

    def answer(asked: Asked) -> tuple[int, bytes]:
        name = msgspec.json.decode(asked.body)["package"]["name"]
        made.asked.add(name)
        found = made.known.get(name)
        return 200, msgspec.json.encode({"vulns": [found]} if found else {})

    with loopback(answer) as port:
        made.url = f"http://127.0.0.1:{port}/v1/query"
        yield made


def audit(service: Advisories) -> subprocess.CompletedProcess[str]:
    """What CI runs, asked elsewhere."""
    [line] = re.findall(r"^ *\.venv/bin/pip-audit (.+)$", (ROOT / ".ci/test").read_text(), re.M)
    command = [sys.executable, "-m", "pip_audit", *shlex.split(line), "--osv-url", service.url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)


def test_a_known_vulnerability_ends_ci(advisories: Advisories) -> None:
    """Nothing known: exit 0, and every package of the lock was asked for. One advisory: exit 1,
    with the package, its version, the advisory and the version that mends it."""
    clean = audit(advisories)
    assert clean.returncode == 0, clean.stderr
    lock = (ROOT / "requirements.lock").read_text()
    locked = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.M)
    assert len(advisories.asked) > 50 and advisories.asked <= set(locked)
    advisories.known["jinja2"] = FINDING
    found = audit(advisories)
    assert found.returncode == 1
    assert re.search(r"jinja2 +[0-9.]+ +PYSEC-0000-1 +99\.0", found.stdout), found.stdout
