"""The first step of a run: what the repository is."""

from __future__ import annotations

from collections.abc import Callable

from workers.detect import detect
from workers.detect.analysis import Analysis, Source


def analyze(source: Source, progress: Callable[[str], None] | None = None) -> Analysis:
    """The analysis of `source`; raises only what `source` itself raises."""
    return detect(source, progress)
