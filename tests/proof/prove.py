"""Carries out a program's generated pipeline and says, job by job, what it proved."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError

import msgspec

from tests.proof import machine, pipeline, reports, rules
from tests.proof.generate import Generated, generate
from tests.proof.pipeline import Job
from tests.proof.program import Edit, Program
from tests.proof.runner import Ran, Workspace
from workers.pipeline.templates import Templates

Verdict = Literal["green", "red", "static"]
Say = Callable[[str], None]
SHOWN_LINES = 25
"""Lines of a red job's log that a finding quotes."""


class JobProof(msgspec.Struct, frozen=True, kw_only=True):
    """What one job did. `reason` says why a job is static; `changes` what was run instead."""

    job: str
    stage: str
    verdict: Verdict
    reason: str = ""
    installable: bool = False
    changes: tuple[str, ...] = ()
    tests: int | None = None
    seconds: float = 0.0


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What one program proved. `findings` contradict what generated pipelines promise."""

    program: str
    ecosystem: str
    template: str
    jobs: tuple[JobProof, ...]
    broken_test: Verdict
    broken_compile: Verdict
    findings: tuple[str, ...]
    seconds: float

    def stage(self, name: str) -> tuple[JobProof, ...]:
        return tuple(job for job in self.jobs if job.stage == name)


def prove(program: Program, templates: Templates, root: Path, say: Say = lambda _: None) -> Proof:
    """Generate, run what this machine can run, break the program twice. `root` is a new folder."""
    began = time.monotonic()
    generated = generate(program.folder, templates)
    trial = _Trial(program, generated, root, say)
    trial.first_pipeline()
    broken_test = trial.broken(program.broken_test, "test")
    broken_compile = trial.broken(program.broken_compile, "compile")
    return Proof(
        program=program.name,
        ecosystem=program.ecosystem,
        template=generated.plan.template,
        jobs=tuple(trial.proofs),
        broken_test=broken_test,
        broken_compile=broken_compile,
        findings=(*generated.problems, *trial.findings),
        seconds=time.monotonic() - began,
    )


class _Trial:
    """One program's workspace, and what is found on the way."""

    def __init__(self, program: Program, generated: Generated, root: Path, say: Say) -> None:
        self.program = program
        self.generated = generated
        self.root = root
        self.findings: list[str] = []
        self.proofs: list[JobProof] = []
        self._say = say
        self._benches = 0
        self._absent = machine.runner_absent()
        if not self._absent:
            self.workspace = Workspace(root, program.folder, generated.files)
            self.jobs = pipeline.jobs(self.workspace.merged)
        else:
            self.jobs = []

    def first_pipeline(self) -> None:
        """Every job that can run here, on the program as it is."""
        stages = {job.stage for job in self.jobs}
        if not self._absent and self.program.tests and "test" not in stages:
            self.findings.append("the program has tests, the pipeline has no test job")
        for job in self.jobs:
            self.proofs.append(self._first_run(job))

    def broken(self, edit: Edit, stage: str) -> Verdict:
        """Whether the jobs of `stage` that ran go red after `edit`; static where none ran."""
        names = [proof.job for proof in self.proofs if proof.stage == stage and self._ran(proof)]
        jobs = [job for job in self.jobs if job.name in names]
        if not jobs:
            return "static"
        path = self.workspace.folder / edit.path
        before = path.read_text()
        path.write_text(edit.apply(before))
        self.workspace.commit(f"break it: {edit.path}")
        runs = [(job, self._run(job)) for job in jobs]
        red = [job for job, ran in runs if isinstance(ran, Ran) and ran.code]
        others = [job.name for job in red if not edit.path.startswith(job.folder)]
        if others:
            self.findings.append(f"{', '.join(others)}: red, though another app is broken")
        if not red:
            self.findings.append(f"{', '.join(names)}: stays green with {edit.old!r} broken")
        if red and stage == "test":
            self._failure_is_reported([job for job in red if job.junit])
        path.write_text(before)
        self.workspace.commit("mend it")
        return "red" if red else "green"

    @staticmethod
    def _ran(proof: JobProof) -> bool:
        return proof.verdict == "green"

    def _failure_is_reported(self, jobs: list[Job]) -> None:
        for job in jobs:
            counted = self._counted(job)
            if counted is not None and not counted.failed:
                self.findings.append(f"{job.name}: red, but its JUnit report names no failure")

    def _first_run(self, job: Job) -> JobProof:
        adapted = rules.adapt(job.lines)
        began = time.monotonic()
        ran = self._run(job)
        if isinstance(ran, machine.Absent):
            self._syntax(job)
            return JobProof(
                job=job.name, stage=job.stage, verdict="static", reason=ran.reason,
                installable=ran.installable,
            )  # fmt: skip
        if ran.code:
            self.findings.append(f"{job.name}: red at first ({ran.code})\n{_tail(ran.output)}")
        else:
            self._promises(job, ran, adapted.loses)
        counted = self._counted(job) if job.junit else None
        return JobProof(
            job=job.name, stage=job.stage, verdict="red" if ran.code else "green",
            changes=(*adapted.changes, *self._notes), tests=counted.ran if counted else None,
            seconds=time.monotonic() - began,
        )  # fmt: skip

    def _run(self, job: Job) -> Ran | machine.Absent:
        adapted = rules.adapt(job.lines)
        why = rules.closed(adapted.lines, self.program.vendored)
        if why or not adapted.lines:
            return machine.Absent(why or "; ".join(adapted.changes))
        lacking = rules.missing_packages(job.lines)
        if lacking:
            reason = f"Debian's {', '.join(lacking)} not installed"
            return machine.Absent(reason, installable=True)
        self._benches += 1
        bench = machine.stand_in(job.image, self.root / f"bench{self._benches}")
        if isinstance(bench, machine.Absent):
            return bench
        self._notes = bench.notes
        self._say(f"{self.program.name}: {job.name}")
        return self.workspace.run(job.name, bench)

    def _promises(self, job: Job, ran: Ran, loses: tuple[str, ...]) -> None:
        """A green job's reports are there and say what is true."""
        folder = self.workspace.build_folder(job.name)
        if job.stage == "test":
            self._count_is_exact(job)
        if job.coverage and "coverage" not in loses:
            try:
                fine = reports.coverage_ok(reports.matching(folder, job.coverage))
            except ParseError:
                fine = False
            if not fine:
                self.findings.append(f"{job.name}: no coverage at {', '.join(job.coverage)}")
        if job.coverage_regex and "coverage" not in loses and not _covered(job, ran.output):
            self.findings.append(f"{job.name}: nothing in the log matches {job.coverage_regex}")
        for file in job.codequality:
            if not _is_code_quality(folder / file):
                self.findings.append(f"{job.name}: no Code Quality report at {file}")

    def _count_is_exact(self, job: Job) -> None:
        if not job.junit:
            if self.program.reported:
                self.findings.append(f"{job.name}: writes no JUnit report")
            return
        counted = self._counted(job)
        if counted is None or counted.ran != self.program.tests_of(job.name):
            seen = counted.ran if counted else "no report of"
            wanted = self.program.tests_of(job.name)
            self.findings.append(f"{job.name}: JUnit has {seen} of {wanted} tests")

    def _counted(self, job: Job) -> reports.Tests | None:
        files = reports.matching(self.workspace.build_folder(job.name), job.junit)
        try:
            return reports.count(files) if files else None
        except ParseError:
            return None

    def _syntax(self, job: Job) -> None:
        """What can be said of a job that cannot run: its shell parses."""
        done = subprocess.run(
            ["bash", "-n"], input="\n".join(job.lines), capture_output=True, text=True, timeout=30
        )
        if done.returncode:
            self.findings.append(f"{job.name}: its shell does not parse: {done.stderr.strip()}")


def _covered(job: Job, output: str) -> bool:
    """Whether GitLab would find the percentage: the job's own lines, without the runner's mark."""
    expression = re.compile(job.coverage_regex.strip("/"))
    marks = re.compile(rf"^{re.escape(job.name)}\s+> ?")
    return any(expression.search(marks.sub("", line)) for line in output.splitlines())


def _is_code_quality(file: Path) -> bool:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, list)


def _tail(output: str) -> str:
    return "\n".join(f"    {line}" for line in output.strip().splitlines()[-SHOWN_LINES:])
