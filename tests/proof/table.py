"""The proofs as people read them: one line a program, then what was changed, static or wrong."""

from __future__ import annotations

from collections.abc import Sequence

from tests.proof.prove import JobProof, Proof

HEAD = (
    "ecosystem", "program", "compile", "test", "sast", "tests counted", "broken test",
    "broken compile", "seconds",
)  # fmt: skip


def rows(proofs: Sequence[Proof]) -> list[tuple[str, ...]]:
    return [
        (
            proof.ecosystem,
            proof.program,
            *(_stage(proof.stage(stage)) for stage in ("compile", "test", "sast")),
            _tests(proof.stage("test")),
            _broken(proof.broken_test),
            _broken(proof.broken_compile),
            f"{proof.seconds:.0f}",
        )
        for proof in proofs
    ]


def as_text(proofs: Sequence[Proof]) -> str:
    """Columns as wide as they need to be."""
    table = [HEAD, *rows(proofs)]
    widths = [max(len(row[n]) for row in table) for n in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def as_markdown(proofs: Sequence[Proof]) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(proofs)]
    return "\n".join(lines)


def details(proofs: Sequence[Proof]) -> str:
    """Static jobs with their reason, lines that were changed, findings; nothing is left unsaid."""
    lines: list[str] = []
    for proof in proofs:
        said = [f"  {line}" for job in proof.jobs for line in _of_job(job)]
        said += [f"  FINDING {finding}" for finding in proof.findings]
        if said:
            lines += ["", f"{proof.program} (template {proof.template})", *said]
    return "\n".join(lines)


def _of_job(job: JobProof) -> list[str]:
    if job.verdict == "static":
        return [f"{job.job}: static only ({job.reason})"]
    return [f"{job.job}: run with a change: {change}" for change in job.changes]


def _stage(jobs: Sequence[JobProof]) -> str:
    if not jobs:
        return "no job"
    ran = [job for job in jobs if job.verdict != "static"]
    if not ran:
        return "static only"
    word = "RED" if any(job.verdict == "red" for job in ran) else "ran green"
    return word if len(ran) == len(jobs) else f"{word} ({len(ran)} of {len(jobs)})"


def _tests(jobs: Sequence[JobProof]) -> str:
    counted = [job.tests for job in jobs if job.tests is not None]
    return str(sum(counted)) if counted else "–"


def _broken(verdict: str) -> str:
    return {"red": "red, as it should", "green": "STAYS GREEN", "static": "static only"}[verdict]
