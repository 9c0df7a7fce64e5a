"""`python -m tests.proof [--json] [--markdown] [FILTER]`: the table of ecosystems, proved.

Runs the generated pipeline of every program whose name or ecosystem contains FILTER, and exits 1
where a job is red at first, stays green when the program is broken, or a report is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.proof.program import Program
from tests.proof.programs import PROGRAMS
from tests.proof.prove import Proof, prove
from tests.proof.table import as_markdown, as_text, details
from workers.pipeline.templates import Templates


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("filter", nargs="?", default="", metavar="FILTER")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument("--markdown", action="store_true", help="print the table for the README")
    options = parser.parse_args(arguments)
    asked = [p for p in PROGRAMS if options.filter in f"{p.ecosystem} {p.name}"]
    templates = Templates.load()
    proofs = [_one(program, templates) for program in asked]
    if options.json:
        sys.stdout.write(msgspec.json.encode({"programs": proofs}).decode() + "\n")
    else:
        print(as_markdown(proofs) if options.markdown else as_text(proofs))
        print(details(proofs))
    return 1 if any(proof.findings for proof in proofs) else 0


def _one(program: Program, templates: Templates) -> Proof:
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        return prove(program, templates, Path(folder) / program.name, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
