"""What the reports of a job say: how many tests ran, how many failed, how much was covered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import msgspec


class Tests(msgspec.Struct, frozen=True):
    """Counts over all JUnit files of one job, as GitLab counts them: by test case."""

    ran: int = 0
    failed: int = 0
    skipped: int = 0


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files below `folder` that GitLab would upload for these paths, sorted."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def count(files: Iterable[Path]) -> Tests:
    """Raises `ElementTree.ParseError` where a report is no XML."""
    ran = failed = skipped = 0
    for file in files:
        for case in ElementTree.parse(file).iter("testcase"):
            kinds = {child.tag for child in case}
            skipped += "skipped" in kinds
            failed += bool(kinds & {"failure", "error"})
            ran += "skipped" not in kinds
    return Tests(ran, failed, skipped)


def coverage_ok(files: Iterable[Path]) -> bool:
    """Whether each coverage report is XML that counts at least one line."""
    roots = [ElementTree.parse(file).getroot() for file in files]
    return bool(roots) and all(_lines(root) for root in roots)


def _lines(root: ElementTree.Element) -> int:
    """Lines that a Cobertura or JaCoCo report holds."""
    jacoco = sum(1 for counter in root.iter("counter") if counter.get("type") == "LINE")
    return jacoco + sum(1 for _ in root.iter("line"))
