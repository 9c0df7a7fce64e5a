"""The detector against the corpus: each sample, the thresholds, both kinds of source, and size."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import msgspec
import pytest

from tests.bench.accuracy import Result, main, measures, run, run_buried, table
from tests.support.corpus import MemorySource, Sample, samples
from workers.detect.analysis import Analysis
from workers.detect.detector import detect
from workers.detect.local import LocalSource

SAMPLES = {sample.name: sample for sample in samples()}

CPU_LIMIT_S = 0.3
"""Process time for a tree of 20,000 entries, as the project promises."""

NOISE = 3
"""A loaded machine with cold caches takes up to this many times longer."""


@cache
def result(name: str) -> Result:
    return run(SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_understood(name: str) -> None:
    """Every expectation of every sample holds."""
    wrong = [verdict for verdict in result(name).verdicts if not verdict.right]
    assert not wrong, "\n".join(
        f"{miss.field}: expected {miss.expected!r}, got {miss.got!r}" for miss in wrong
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_claims_are_sound(name: str) -> None:
    """Evidence names lines that exist, apps are folders, and twice asked is twice the same."""
    sample, analysis = SAMPLES[name], result(name).analysis
    assert detect(sample.source()) == analysis
    assert 0 <= analysis.confidence <= 1
    folders = {str(parent) for path in sample.files for parent in Path(path).parents}
    assert {app.path for app in analysis.apps} <= folders
    for evidence in analysis.evidence:
        assert_exists(sample, evidence.file, evidence.line)


CLAIMED = (
    *("language", "framework", "package_manager", "version", "test_tool", "test_command"),
    *("build_command", "entry_point", "port", "monorepo"),
)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_value_has_its_evidence(name: str) -> None:
    """No value of the contract's analysis stands without a claim that names a file."""
    analysis = result(name).analysis
    claims = {evidence.claim for evidence in analysis.evidence}
    values = {field: getattr(analysis, field) for field in CLAIMED}
    said = {f"{field}={value}" for field, value in values.items() if value is not None}
    assert said <= claims


def assert_exists(sample: Sample, file: str, line: int) -> None:
    """`file` is an entry of the sample (or GitLab's shares, which are no file) with that line."""
    entries = {entry.path for entry in sample.source().walk(limit=100_000).entries}
    assert file in entries | {"", "."}, file
    assert 0 <= line <= 1 + lines(sample.blobs.get(file, b"")), f"{file}:{line}"


def lines(content: bytes) -> int:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return len(content.decode(encoding, errors="replace").splitlines())


@pytest.mark.parametrize("name", SAMPLES)
def test_folder_and_memory_give_the_same(name: str, tmp_path: Path) -> None:
    """The same tree gives the same analysis from a folder and from a source of any other kind."""
    sample = SAMPLES[name]
    local = LocalSource(sample.unpack(tmp_path))
    memory = MemorySource(sample.blobs, sample.links, sample.submodules, local.languages())
    assert detect(local) == detect(memory)


def test_measures_keep_their_thresholds() -> None:
    """No measure of the table stands below its threshold, large trees included."""
    buried = [verdict for sample in SAMPLES.values() for verdict in run_buried(sample)]
    found = measures([result(name) for name in SAMPLES], buried)
    assert all(measure.kept for measure in found), "\n" + table(found)


def test_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the same table, or one JSON object; a filter that finds nothing is 2."""
    assert main(["go/"]) == 0
    assert "framework precision" in capsys.readouterr().out
    assert main(["go/", "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["samples"] >= 10
    assert main(["no such sample"]) == 2


def test_measures_count_what_is_wrong() -> None:
    """A detector that knows nothing is told so: the table is no formality."""
    blind = [
        msgspec.structs.replace(
            known, verdicts=[msgspec.structs.replace(v, right=False) for v in known.verdicts]
        )
        for known in map(result, SAMPLES)
    ]
    assert sum(not measure.kept for measure in measures(blind)) >= 12


def test_corpus_is_large_and_names_its_traps() -> None:
    """At least 150 samples, a third of them hard, each with a reason."""
    assert len(SAMPLES) >= 150
    assert sum(sample.hard for sample in SAMPLES.values()) * 3 >= len(SAMPLES)
    assert all(sample.why.endswith(".") for sample in SAMPLES.values())


def large_tree(entries: int) -> MemorySource:
    """A TypeScript workspace of about `entries` entries: packages with 98 sources each."""
    blobs = {
        "package.json": b'{"private": true, "workspaces": ["packages/*"], "packageManager": '
        b'"yarn@4.1.0", "scripts": {"test": "jest"}, "devDependencies": {"jest": "29"}}',
        "yarn.lock": b"",
        "tsconfig.json": b"{}",
    }
    for package in range(entries // 100):
        folder = f"packages/p{package:04}"
        blobs[f"{folder}/package.json"] = b'{"dependencies": {"express": "4"}}'
        blobs |= {f"{folder}/src/file{index}.ts": b"" for index in range(97)}
    return MemorySource(blobs)


def timed(source: MemorySource) -> tuple[Analysis, float]:
    start = time.process_time()
    analysis = detect(source)
    return analysis, time.process_time() - start


def test_tree_of_20_000_entries_is_quick() -> None:
    """Under 300 ms of CPU, few calls, and the right answer all the same."""
    source = large_tree(20_000)
    detect(large_tree(200))
    analysis, cpu = timed(source)
    assert (analysis.language, analysis.monorepo) == ("typescript", "yarn")
    assert cpu < CPU_LIMIT_S * NOISE
    assert source.listings <= 10


def test_tree_of_100_000_entries_stays_bounded() -> None:
    """Five times the entries cost a few calls and reads more at most, and still a second or two."""
    source = large_tree(100_000)
    analysis, cpu = timed(source)
    assert (analysis.language, analysis.package_manager) == ("typescript", "yarn")
    assert cpu < 5 * CPU_LIMIT_S * NOISE
    assert source.listings <= 30
    assert len(source.paths) <= 200


def test_manifest_of_50_megabytes_stays_bounded() -> None:
    """A manifest beyond every measure is read in part at most, named, and ends nothing."""
    padding = b'"x": "' + b"y" * 50_000_000 + b'"'
    source = MemorySource({"package.json": b"{" + padding + b"}", "index.js": b""})
    analysis, cpu = timed(source)
    assert analysis.language == "javascript"
    assert analysis.confidence < 0.9
    assert "package.json" in {evidence.file for evidence in analysis.evidence}
    assert cpu < CPU_LIMIT_S * NOISE


def test_flat_folder_of_100_000_files_stays_bounded() -> None:
    """One folder with everything in it hides no manifest that sorts before the cut."""
    blobs = {f"z{index:06}.py": b"" for index in range(100_000)}
    source = MemorySource({**blobs, "requirements.txt": b"flask\n"})
    analysis, cpu = timed(source)
    assert (analysis.language, analysis.framework) == ("python", "flask")
    assert cpu < 5 * CPU_LIMIT_S * NOISE


DIGEST = """
import hashlib, msgspec
from tests.support.corpus import samples
from workers.detect.detector import detect
encoder = msgspec.json.Encoder(order="deterministic")
digest = hashlib.sha256()
for sample in samples()[::2]:
    digest.update(encoder.encode(detect(sample.source())))
print(digest.hexdigest())
"""


def test_answer_does_not_hang_on_the_process() -> None:
    """Every process gives the same answers, whatever the seed of its hashes."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
