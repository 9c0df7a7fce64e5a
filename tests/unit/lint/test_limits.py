"""Limits that GitLab counts: one below is accepted, one above is refused."""

from __future__ import annotations

import pytest

from workers.pipeline.lint import check


def needing(count: int) -> str:
    """A job that needs `count` others."""
    names = [f"b{i}" for i in range(count)]
    jobs = "".join(f"{name}: {{stage: build, script: [x]}}\n" for name in names)
    return jobs + f"last: {{script: [x], needs: [{', '.join(names)}]}}\n"


def tagged(count: int) -> str:
    """A job with `count` tags."""
    return f"a: {{script: [x], tags: [{', '.join(['t'] * count)}]}}\n"


def cached(count: int) -> str:
    """A job with `count` caches."""
    return f"a: {{script: [x], cache: [{', '.join(['{paths: [p]}'] * count)}]}}\n"


def named(length: int) -> str:
    """A job with a name of `length` characters."""
    return "n" * length + ": {script: [x]}\n"


def included(count: int) -> str:
    """A file that includes `count` others."""
    return f"include: [{', '.join(['{local: a.yml}'] * count)}]\na: {{script: [x]}}\n"


def extended(levels: int) -> str:
    """A job that extends over `levels` levels."""
    links = "".join(f".t{i}: {{extends: .t{i + 1}}}\n" for i in range(1, levels))
    return f"a: {{extends: .t1}}\n{links}.t{levels}: {{script: [x]}}\n"


def nested(levels: int) -> str:
    """A script nested in `levels` lists."""
    return "a: {script: " + "[" * levels + "x" + "]" * levels + "}\n"


def conditions(parts: int) -> str:
    """A condition of `parts` tokens, which is an odd number."""
    return "a: {script: [x], rules: [{if: '" + " && ".join(["$A"] * ((parts + 1) // 2)) + "'}]}\n"


def pathed(count: int) -> str:
    """A rule that watches `count` paths."""
    return f"a: {{script: [x], rules: [{{changes: [{', '.join(['p'] * count)}]}}]}}\n"


def copied(count: int) -> str:
    """A matrix that makes `count` jobs."""
    values = ", ".join(str(i) for i in range(count))
    return f"a: {{script: [x], parallel: {{matrix: [{{A: [{values}]}}]}}}}\n"


LIMITS = [
    (needing, 50, "too-many-needs"),
    (tagged, 49, "too-many-tags"),
    (cached, 4, "too-many-caches"),
    (named, 255, "long-name"),
    (included, 150, "too-many-includes"),
    (extended, 11, "deep-extends"),
    (nested, 10, "deep-script"),
    (pathed, 50, "too-many-paths"),
    (copied, 200, "bad-parallel"),
]


@pytest.mark.parametrize(
    ("build", "limit", "code"), LIMITS, ids=lambda x: getattr(x, "__name__", x)
)
def test_limits(build: object, limit: int, code: str) -> None:
    """The last allowed size is valid; the next is refused for that very reason."""
    assert callable(build)
    assert check(build(limit)).valid, check(build(limit)).errors
    assert [found.code for found in check(build(limit + 1)).errors] == [code]


def test_a_condition_has_fewer_than_a_hundred_parts() -> None:
    """`Lexer::MAX_TOKENS`, counted with operators."""
    assert check(conditions(99)).valid
    assert [found.code for found in check(conditions(101)).errors] == ["bad-expression"]


def test_a_long_way_of_extends_ends_early() -> None:
    """Two thousand levels are told as what they are, not as a file that is too deep to read."""
    assert {one.code for one in check(extended(2000)).errors} == {"deep-extends"}


def test_depth_and_size_of_the_yaml() -> None:
    """A hundred levels and two megabytes are read, more is not."""
    assert check(".a: " + "[" * 98 + "x" + "]" * 98 + "\nb: {script: [x]}").valid
    (found,) = check(".a: " + "[" * 101 + "x" + "]" * 101).errors
    assert found.code == "too-deep"
    assert check("b: {script: ['" + "x" * 1_900_000 + "']}").valid
    (found,) = check("b: {script: ['" + "x" * 2_000_000 + "']}").errors
    assert found.code == "too-big"
