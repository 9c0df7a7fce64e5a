"""Features as vectors: the same everywhere, of length 1, near for what is alike."""

from __future__ import annotations

import math
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from workers.vectors import DIMENSIONS, vector

GOLDEN = {66: -0.707107, 380: 0.707107}
words = st.lists(st.text(max_size=12), max_size=40)


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@given(words)
def test_every_vector_has_384_numbers_and_length_one(features: list[str]) -> None:
    """Whatever the words, none included: a cosine is defined."""
    made = vector(features)
    assert len(made) == DIMENSIONS == 384
    assert math.isclose(math.hypot(*made), 1.0, rel_tol=1e-9)


@given(words, st.randoms())
def test_order_and_repetition_do_not_matter(features: list[str], random: st.DataObject) -> None:
    """The same set of words gives the same numbers, to the last bit."""
    shuffled = features + features[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert vector(shuffled) == vector(features)


def test_another_process_computes_the_same() -> None:
    """It does not depend on Python's per-process hash seed."""
    program = "from workers.vectors import vector; print(vector(['a', 'b', 'c']))"
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(vector(["c", "b", "a"]))


def test_stored_vectors_stay_comparable() -> None:
    """The hash is part of the data on disk: changing it means rebuilding every index."""
    places = {i: round(v, 6) for i, v in enumerate(vector(["language:python", "test:pytest"])) if v}
    assert places == GOLDEN


def test_more_in_common_is_nearer() -> None:
    """Two shared words of three are nearer than one, and one nearer than none."""
    wanted = vector(["uses:flask", "test:pytest", "uses:redis"])
    near = vector(["uses:flask", "test:pytest", "uses:celery"])
    far = vector(["uses:flask", "test:unittest", "uses:celery"])
    foreign = vector(["uses:react", "test:jest", "uses:vite"])
    assert _cosine(wanted, near) > _cosine(wanted, far) > _cosine(wanted, foreign)
