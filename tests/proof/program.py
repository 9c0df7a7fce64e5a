"""What a golden program is: where it stands, what is true of it, and how it is broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "tests" / "samples" / "programs"


class Edit(msgspec.Struct, frozen=True):
    """One change to one file, that a pipeline must notice."""

    path: str
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Raises `ValueError` where `old` is not in the text just once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path} holds {self.old!r} {text.count(self.old)} times")
        return text.replace(self.old, self.new)


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program and what is true of it. `tests` is the number that its test tool runs.

    `vendored` are hosts that it does not need, since all it uses is on the machine. `quick`
    programs are run by the test suite where the machine has their toolchain. `reported` is false
    where the test tool writes no JUnit and nothing can be counted: the note in the plan says so.
    Of several apps `each` holds the number by the app's name, and `tests` all of them.
    """

    name: str
    ecosystem: str
    tests: int
    broken_test: Edit
    broken_compile: Edit
    home: Path = OWN
    vendored: tuple[str, ...] = ()
    quick: bool = False
    reported: bool = True
    each: Mapping[str, int] = {}

    def tests_of(self, job: str) -> int:
        """How many tests a job of this name runs."""
        return self.each.get(job.partition(":")[0], self.tests)

    @property
    def folder(self) -> Path:
        return self.home / self.name
