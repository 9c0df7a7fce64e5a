"""No secret can be found by the time that a wrong one takes: by statistics, and by reading."""

from __future__ import annotations

import ast
import gc
import math
import random
import re
import string
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, variance

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from service.keys import Keys
from service.senders import Senders
from tests.support.keys import KEY
from workers.hook_secrets import own_token
from workers.seal import Seal

ROOT = Path(__file__).parents[3]
SIGNS = string.ascii_letters + string.digits
SECRET = "Zq" + "7h3N0tV4xK" * 4
PAIRS, TRIES, WELCH = 10_000, 4, 4.5
"""Noise may pass the bound once in a while; a leak passes it each time."""

Check = Callable[[str], object]


def check_of_secret() -> tuple[str, Check]:
    senders = Senders([SecretStr(SECRET), SecretStr("x" * 42)], [])
    return SECRET, lambda given: senders.by_secret(Headers({"x-gitlab-token": given}))


def check_of_project() -> tuple[str, Check]:
    senders = Senders([SecretStr("x" * 42), SecretStr(SECRET)], [])
    right = own_token(SecretStr(SECRET), 7).decode()
    return right, lambda given: senders.by_secret(Headers({"x-gitlab-token": given}))


def check_of_api_token() -> tuple[str, Check]:
    keys = Keys([SecretStr(SECRET), SecretStr("x" * 42)], KEY, secure=True)
    return SECRET, keys.caller


def check_of_seal() -> tuple[str, Check]:
    seal = Seal(KEY, "a test")
    return seal.of("a", "b"), lambda given: seal.holds(given, "a", "b")


def wrong(right: str, keep: int, chance: random.Random) -> str:
    """As long as the right one, equal to it in its first `keep` characters only."""
    other = chance.choice([sign for sign in SIGNS if sign != right[keep]])
    return right[:keep] + other + "".join(chance.choices(SIGNS, k=len(right) - keep - 1))


def welch(right: str, check: Check, seed: int) -> float:
    """Welch's t between wrong secrets that differ at their start and those that do at their end.

    Both kinds are made alike and asked in turns, in an order by chance; the slowest tenth, which
    is what else goes on in the machine, is left out.
    """
    chance, start = random.Random(seed), len(right) - 40 if right[0] == "p" else 0
    asked = [(kind, wrong(right, (start, len(right) - 1)[kind], chance))
             for _ in range(PAIRS) for kind in chance.sample((0, 1), 2)]  # fmt: skip
    taken: tuple[list[int], list[int]] = ([], [])
    gc.collect()
    gc.disable()
    try:
        for kind, given in asked:
            began = time.perf_counter_ns()
            check(given)
            taken[kind].append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    limit = sorted(taken[0] + taken[1])[PAIRS * 2 * 9 // 10]
    one, two = ([t for t in times if t <= limit] for times in taken)
    spread = math.sqrt(variance(one) / len(one) + variance(two) / len(two))
    return (fmean(one) - fmean(two)) / spread


@pytest.mark.parametrize(
    "made", [check_of_secret, check_of_project, check_of_api_token, check_of_seal]
)
def test_a_near_miss_takes_as_long_as_any_other(made: Callable[[], tuple[str, Check]]) -> None:
    """Twenty thousand checks; |t| below 4.5, where more would tell the two kinds apart."""
    right, check = made()
    assert check(right) and not check(wrong(right, len(right) - 1, random.Random(0)))
    seen: list[float] = []
    while len(seen) < TRIES and (not seen or abs(seen[-1]) >= WELCH):
        seen.append(welch(right, check, len(seen)))
    assert abs(seen[-1]) < WELCH, seen


def test_the_statistics_would_see_a_leak() -> None:
    """A comparison that stops at the first difference is told apart each time."""

    def leaky(given: str) -> bool:
        return all(a == b for a, b in zip(given, SECRET, strict=True))

    assert all(abs(welch(SECRET, leaky, seed)) > WELCH for seed in range(2))


SECRETIVE = re.compile(r"secret|token|passw|proof|csrf|signature|hmac|seal|cookie|credential", re.I)
NO_SECRETS = {
    "workers/hooking.py": "a sealed label that says which secrets a webhook was given",
    "workers/sweep/hooks.py": "the same label",
    "workers/steps/retrieve.py": "the name of a field",
}
"""Files with a comparison of something that only sounds like a secret, and of what. The sandbox is
no part of the service, and `workers/pipeline` knows CI files and nothing else."""


def comparisons(path: Path) -> Iterator[str]:
    """`==`, `!=`, `in` and `not in` with a word that sounds like a secret."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Compare):
            continue
        if any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops):
            words = [getattr(n, "id", getattr(n, "attr", getattr(n, "value", "")))
                     for n in ast.walk(node)]  # fmt: skip
            if any(isinstance(word, str) and SECRETIVE.search(word) for word in words):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"


def test_no_secret_is_compared_with_an_operator() -> None:
    """`hmac.compare_digest` does that; each exception is named with its reason, and still there."""
    files = [path for package in ("service", "workers") for path in (ROOT / package).rglob("*.py")
             if not {"sandbox", "pipeline"} & set(path.parts)]  # fmt: skip
    found = [line for path in files for line in comparisons(path)]
    named = {line.partition(":")[0] for line in found}
    assert len(files) > 100 and named == set(NO_SECRETS), found
