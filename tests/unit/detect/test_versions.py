"""Pins and ranges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.detect.trees import analysed
from workers.detect.versions import lower_bound, pinned


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v18.16.0\n", "18.16.0"),
        ("# which\n3.11.4\n3.10.2\n", "3.11.4"),
        ("python-3.8.18", "3.8.18"),
        ("temurin-21.0.2+13.0.LTS", "21.0.2"),
        ("1.17.3-otp-27", "1.17.3"),
        ("lts/iron", "20"),
        ("lts/*", None),
        ("system", None),
        ("", None),
    ],
)
def test_pinned(text: str, version: str | None) -> None:
    """A pin file holds one version among names; aliases that move are none."""
    assert pinned(text) == version


@pytest.mark.parametrize(
    ("text", "parts", "version"),
    [
        (">=18", 1, "18"),
        (">=18.17.0 <21", 1, "18"),
        ("^20.1.0", 1, "20"),
        ("20.11.1", 1, "20.11.1"),
        ("18.x", 1, "18"),
        ("^18 || ^20", 1, "20"),
        (">= 0.10.0", 1, "0.10"),
        ("<4.0,>=3.9", 2, "3.9"),
        ("~=3.10", 2, "3.10"),
        ("==3.11.*", 2, "3.11"),
        ("^3.8", 2, "3.8"),
        ("*", 1, None),
        ("latest", 1, None),
    ],
)
def test_lower_bound(text: str, parts: int, version: str | None) -> None:
    """A range is the release it starts at; an exact version stays whole."""
    assert lower_bound(text, parts) == version


def test_order_of_contradicting_pins(tmp_path: Path) -> None:
    """The pin file is what developers run, `engines` only what still works."""
    files = {
        "package.json": '{"engines": {"node": ">=16"}}',
        ".nvmrc": "v20.9.0\n",
        ".tool-versions": "nodejs 18.0.0\n",
    }
    assert analysed(tmp_path, files).version == "20.9.0"


def test_folder_before_root(tmp_path: Path) -> None:
    """An app's own pin wins over the root's."""
    files = {
        ".tool-versions": "python 3.9.1\n",
        "app/requirements.txt": "flask\n",
        "app/.python-version": "3.12\n",
        "app/main.py": "",
    }
    assert analysed(tmp_path, files).version == "3.12"
