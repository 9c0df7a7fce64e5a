"""Small repositories on disk for the tests of detection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.detect import LocalSource, detect
from workers.detect.analysis import Analysis


def tree(root: Path, files: Mapping[str, str | bytes]) -> LocalSource:
    """Writes `files` below `root`; text is dedented of nothing and written as it stands."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return LocalSource(root)


def analysed(root: Path, files: Mapping[str, str | bytes]) -> Analysis:
    """What `detect` says of such a tree."""
    return detect(tree(root, files))
