"""The detector's accuracy on the corpus: `python -m tests.bench.accuracy [--misses] [FILTER]`.

Prints one line per measure and exits 1 where one stands below its threshold. FILTER keeps the
samples whose name contains it; then thresholds are shown but do not decide. `--json` prints the
measures and the misses as one JSON object, `--misses` adds each miss to the table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tests.support.corpus import Sample, samples
from tests.support.verdicts import Verdict, judge
from workers.detect.analysis import Analysis
from workers.detect.detector import detect


class Result(msgspec.Struct, frozen=True):
    """What the detector said of one sample and what it cost. `cpu_ms` is process time."""

    sample: Sample
    analysis: Analysis
    verdicts: list[Verdict]
    paths: int
    requests: int
    listings: int
    cpu_ms: float


class Measure(msgspec.Struct, frozen=True):
    """One line of the table: `value` in per cent or as a count, over `of` cases."""

    name: str
    value: float
    of: int
    limit: float
    at_most: bool = False

    @property
    def kept(self) -> bool:
        """Whether the threshold holds; nothing measured breaks no threshold."""
        if not self.of:
            return True
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def run(sample: Sample) -> Result:
    """Analyses one sample in memory, counting what is asked of the source."""
    source = sample.source()
    start = time.process_time()
    analysis = detect(source)
    cpu = 1000 * (time.process_time() - start)
    verdicts = judge(sample, analysis)
    return Result(
        sample, analysis, verdicts, len(source.paths), source.requests, source.listings, cpu
    )


def run_buried(sample: Sample) -> list[Verdict]:
    """Verdicts on what a large tree must not hide: the sample among thousands of pictures."""
    return _of(judge(sample, detect(sample.buried())), *_BURIED)


def measures(results: Sequence[Result], buried: Sequence[Verdict] = ()) -> list[Measure]:
    """The table. Thresholds are what the project promises, in per cent or as counts.

    `buried` are the verdicts of `run_buried`, where they were asked for.
    """
    verdicts = [verdict for result in results for verdict in result.verdicts]
    hard = [verdict for verdict in verdicts if verdict.hard]
    return [
        _share("ecosystem", _of(verdicts, "ecosystem"), 99),
        _share("ecosystem, hard ones", _of(hard, "ecosystem"), 95),
        _share("language", _of(verdicts, "language"), 99),
        _share("language, hard ones", _of(hard, "language"), 95),
        _share("framework recall", _claimed(_of(verdicts, "framework")), 94),
        _precision("framework precision", _of(verdicts, "framework"), 99),
        _share("package manager", _of(verdicts, "package_manager"), 98),
        _share("version", _of(verdicts, "version"), 96),
        _share("monorepo recall", _claimed(_of(verdicts, "monorepo")), 95),
        _alarms("monorepo false alarms", _of(verdicts, "monorepo")),
        _share("apps of a monorepo", _of(verdicts, "apps", "apps_exclude"), 95),
        _share("test tool", _of(verdicts, "test_tool"), 90),
        _share("test command", _of(verdicts, "test_command"), 90),
        _share("build, start, services", _of(verdicts, *_HOW), 90),
        _share("nothing to build", _of(verdicts, "nothing_to_build"), 99),
        _share("doubt and evidence", _of(verdicts, *_DOUBT), 95),
        _share("all, in a large tree", buried, 98),
        _p95("paths read, p95", [result.paths for result in results], 15),
        _p95("listing calls, p95", [result.listings for result in results], 10),
        _p95("CPU ms, p95", [result.cpu_ms for result in results], 100),
    ]


_HOW = (
    *("build_command", "entry_point", "port", "services"),
    *("dockerfile", "linters", "coverage_tool", "ci_files"),
)
_BURIED = (
    *("language", "ecosystem", "framework", "package_manager"),
    *("version", "monorepo", "test_tool"),
)
_DOUBT = ("confidence_below", "evidence_in", "questions")


def _of(verdicts: Iterable[Verdict], *fields: str) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.field in fields]


def _claimed(verdicts: list[Verdict]) -> list[Verdict]:
    """Those where the right answer is a name (`null` among several right ones is no demand)."""
    return [
        verdict
        for verdict in verdicts
        if verdict.expected is not None
        and not (isinstance(verdict.expected, list) and None in verdict.expected)
    ]


def _share(name: str, verdicts: Sequence[Verdict], limit: float) -> Measure:
    right = sum(verdict.right for verdict in verdicts)
    return Measure(name, round(100 * right / max(1, len(verdicts)), 1), len(verdicts), limit)


def _precision(name: str, verdicts: list[Verdict], limit: float) -> Measure:
    return _share(name, [verdict for verdict in verdicts if verdict.got is not None], limit)


def _alarms(name: str, verdicts: list[Verdict]) -> Measure:
    single = [verdict for verdict in verdicts if verdict.expected is None]
    alarms = sum(not verdict.right for verdict in single)
    return Measure(name, alarms, len(single), 0, at_most=True)


def _p95(name: str, values: list[int] | list[float], limit: float) -> Measure:
    ranked = sorted(values)
    value = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))] if ranked else 0
    return Measure(name, round(value, 1), len(values), limit, at_most=True)


def table(found: Sequence[Measure]) -> str:
    """The measures as text, one a line, failed thresholds marked."""
    lines = [f"{'measure':26}{'value':>8}{'of':>6}   threshold"]
    for measure in found:
        sign, mark = ("<=" if measure.at_most else ">="), ("" if measure.kept else "   MISSED")
        lines.append(
            f"{measure.name:26}{measure.value:>8g}{measure.of:>6}   {sign} {measure.limit:g}{mark}"
        )
    return "\n".join(lines)


def misses(results: Iterable[Result]) -> list[Verdict]:
    """Every verdict that is wrong, in the samples' order."""
    return [verdict for result in results for verdict in result.verdicts if not verdict.right]


def main(arguments: Sequence[str] | None = None, say: Callable[[str], Any] = print) -> int:
    """Exit code 0, or 1 where a threshold is missed; 2 where FILTER finds nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.accuracy")
    parser.add_argument("filter", nargs="?", default="", help="part of the samples' names")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--misses", action="store_true", help="print every miss")
    options = parser.parse_args(arguments)
    results = [run(sample) for sample in samples(options.filter)]
    if not results:
        print(f"no sample's name contains {options.filter!r}", file=sys.stderr)
        return 2
    buried = [verdict for result in results for verdict in run_buried(result.sample)]
    found, wrong = measures(results, buried), misses(results)
    known = {(miss.sample, miss.field) for miss in wrong}
    lost = [miss for miss in buried if not miss.right and (miss.sample, miss.field) not in known]
    if options.json:
        data = {"samples": len(results), "measures": found, "misses": wrong, "buried": lost}
        say(msgspec.json.encode(data).decode())
    else:
        say(f"{len(results)} samples, {sum(result.sample.hard for result in results)} of them hard")
        say(table(found))
        for miss in wrong if options.misses else ():
            say(f"{miss.sample}: {miss.field} expected {miss.expected!r}, got {miss.got!r}")
        for miss in lost if options.misses else ():
            say(f"{miss.sample}, large tree: {miss.field} {miss.expected!r}, got {miss.got!r}")
    return 0 if options.filter or all(measure.kept for measure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
