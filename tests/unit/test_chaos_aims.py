"""The chaos suite aims at places in the program by name: each name is still there, and is used.

Those tests take minutes and run by hand; what they aim at is moved in between.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS, Mutant
from tests.chaos.points import POINTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", POINTS)
def test_a_crash_point_is_where_the_program_passes(name: str) -> None:
    """A function is called in the very module whose name of it is wrapped; a method, anywhere or
    handed on."""
    _, module, what, _ = POINTS[name]
    owner, _, attribute = what.rpartition(".")
    found = importlib.import_module(module)
    assert callable(getattr(getattr(found, owner) if owner else found, attribute))
    use = re.compile(rf"\.{attribute}\b" if owner else rf"(?<!def )\b{attribute}\(")
    places = [inspect.getsource(found)]
    if owner:
        parts = (path for root in ("service", "workers") for path in (ROOT / root).rglob("*.py"))
        places = [path.read_text() for path in parts]
    assert any(use.search(text) for text in places)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_and_is_looked_for_by_tests(mutant: Mutant) -> None:
    """The text that it takes out stands there once; the file of its check exists."""
    text = (ROOT / mutant.path).read_text()
    assert text.count(mutant.old) == 1, f"{mutant.old!r} stands {text.count(mutant.old)} times"
    assert (ROOT / mutant.check.partition("::")[0]).exists()
