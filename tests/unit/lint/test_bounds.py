"""Hostile files: never an exception, never a hang, never much memory."""

from __future__ import annotations

import string
import time
import tracemalloc

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.pipeline.lint import Report, check, check_schema
from workers.pipeline.lint.schema import compiled

# A bomb must be refused within this; the machine may be busy, so CPU time is what is measured.
BOMB_SECONDS = 0.5
BOMB_BYTES = 50_000_000
# A file of the largest size that GitLab reads may take a while, but must end.
LARGE_SECONDS = 5.0


@pytest.fixture(autouse=True, scope="module")
def schema_is_compiled() -> None:
    """Compile the schema before anything is timed: it is done once in a process."""
    compiled()


def laughs(levels: int = 9) -> str:
    """The classic: each list holds the one before nine times."""
    lines = ["a0: &a0 [" + ",".join(["lol"] * 9) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, levels)]
    return "\n".join(lines)


def merges(levels: int = 40) -> str:
    """A chain of merge keys, each merging the one before twice."""
    lines = ["k0: &k0 {a: 1}"]
    lines += [f"k{i}: &k{i}\n  <<: [*k{i - 1}, *k{i - 1}]" for i in range(1, levels)]
    return "\n".join(lines)


def references(levels: int = 60) -> str:
    """Billion laughs by `!reference`."""
    lines = [f".a{i}:\n  s:\n" + f"    - !reference [.a{i + 1}, s]\n" * 9 for i in range(levels)]
    return "".join(lines) + f".a{levels}: {{s: [x]}}\nj: {{script: [!reference [.a0, s]]}}\n"


def reference_chain(length: int = 3000) -> str:
    """A chain of references longer than Python's stack."""
    links = (f".a{i}: {{s: !reference [.a{i + 1}, s]}}\n" for i in range(length))
    return "".join(links) + f".a{length}: {{s: [x]}}\n"


def extends_fan() -> str:
    """Forty ways up on each of eleven levels: 40^11 ways in all."""
    lines = [f".t{i}: {{extends: [{','.join([f'.t{i + 1}'] * 40)}]}}" for i in range(11)]
    return "\n".join([*lines, ".t11: {script: x}", "j: {extends: .t0}"])


BOMBS = {
    "laughs": laughs(),
    "merges": merges(),
    "references": references(),
    "reference chain": reference_chain(),
    "extends fan": extends_fan(),
    "deep flow": "[" * 5000 + "]" * 5000,
    "deep block": "".join(" " * i + "a:\n" for i in range(1300)),
    "open brackets": "[" * 900_000,
    "self": "a: &a [*a]",
    "self in a map": "a: &a {b: *a}",
    "too long": "a: " + "x" * 2_100_000,
    "long number": "a: " + "9" * 1_900_000,
    "catastrophic condition": "j:\n  script: x\n  rules: [{if: '$A =~ /" + "a\\/" * 9999 + "'}]",
    "catastrophic coverage": "j:\n  script: x\n  coverage: /" + "(a*)*" * 4000 + "b/",
    "parentheses": "j: {script: x, rules: [{if: '" + "(" * 100_000 + "'}]}",
    "interpolation": "spec: {inputs: {a: {default: 1}}}\n---\nj: {script: '"
    + "$[[" * 99_999
    + "'}",
    "tabs": "a:\n\tb: c\n" * 9999,
    "merge of text": "a: &a x\nb: {<<: *a}\n" * 999,
}
# These expand to nothing: what remains is an odd but small file, valid or not.
HARMLESS = {"extends fan", "catastrophic coverage", "interpolation", "long number"}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name: str) -> None:
    """Refused in less than half a second of CPU and 50 MB, and the reason is said."""
    tracemalloc.start()
    started = time.process_time()
    report = check(BOMBS[name])
    spent = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert name in HARMLESS or not report.valid
    # Tracing memory makes Python about five times slower.
    assert spent < 5 * BOMB_SECONDS, spent
    assert peak < BOMB_BYTES, peak


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_time(name: str) -> None:
    """The time alone, without anything that measures memory."""
    started = time.process_time()
    check(BOMBS[name])
    assert time.process_time() - started < BOMB_SECONDS


def many(count: int, job: str) -> str:
    """A file of `count` jobs; `%d` in the text is the job's number."""
    return "".join(f"j{i}:\n{job.replace('%d', str(i))}" for i in range(count))


LARGE = {
    "jobs": many(4000, "  script: [x]\n"),
    "keys": "".join(f"k{i}: 1\n" for i in range(20_000)),
    "unknown needs": "a:\n  script: x\n  needs: [" + ",".join(f"n{i}" for i in range(20_000)) + "]",
    "needs of itself": "a: {script: x, needs: [" + ",".join(["a"] * 20_000) + "]}",
    "mesh": many(200, "  script: x\n  needs: [" + ",".join(f"j{k}" for k in range(200)) + "]\n"),
    "chain": many(4000, "  script: x\n  needs: [j%d, j1]\n") + "z: {script: x, needs: [j1]}",
    "extends": ".t:\n"
    + "".join(f"  k{i}: 1\n" for i in range(9000))
    + many(2000, "  extends: .t\n"),
    "extends chain": "".join(f".j{i}: {{extends: .j{i + 1}}}\n" for i in range(6000)),
    "stages": "stages: ["
    + ",".join(f"s{i}" for i in range(20_000))
    + "]\n"
    + many(3000, "  script: x\n  stage: zz\n"),
    "matrix": many(
        500,
        "  script: x\n  parallel: {matrix: [{A: [1,2,3,4,5,6,7,8,9], B: "
        "[1,2,3,4,5,6,7,8,9], C: [1,2,3,4,5,6,7,8,9]}]}\n",
    ),
    "variables": "j:\n  script:\n" + "".join(f"   - echo $VAR_{i}\n" for i in range(20_000)),
    "dollars": "j: {script: '" + "$" * 1_900_000 + "'}",
    "services": "j: {script: x, services: [" + ",".join(["{n: 1}"] * 8000) + "]}",
    "unique": "j: {script: x, image: {name: a, pull_policy: ["
    + ",".join(f"{{a: {i}}}" for i in range(20_000))
    + "]}}",
    "copies": "a: {script: x, parallel: 200}\nb: {script: x, needs: ["
    + ",".join(f"'a {i % 200}/200'" for i in range(10_000))
    + "]}",
    "conditions": "j:\n  script: x\n  rules:\n"
    + "".join("    - if: '$A =~ /" + "a" * 300 + "'\n" for _ in range(5000)),
    "long names": "? "
    + "n" * 500_000
    + "\n: {script: x, needs: ["
    + ",".join(f"q{i}" for i in range(20_000))
    + "]}",
    "comments": "#\n" * 900_000,
    "tags": "".join(f"a{i}: !foo{i} x\n" for i in range(10_000)),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_files_end(name: str) -> None:
    """Cost grows with the size of the file, never with its square; findings stay few."""
    started = time.process_time()
    report = check(LARGE[name])
    assert time.process_time() - started < LARGE_SECONDS
    assert len(report.errors) <= 200 and len(report.warnings) <= 200
    assert all(len(found.message) <= 600 for found in report.errors)


def nested(shape: str, depth: int) -> str:
    """Flow YAML nested `depth` levels: lists, mappings, or steps within steps."""
    left, right = {"list": ("[", "]"), "map": ("{a: ", "}"), "steps": ("{steps: [", "]}")}[shape]
    count = depth // 2 if shape == "steps" else depth
    return left * count + "x" + right * count


def under(frames: int, text: str) -> Report:
    """Check the text with that many calls already on the stack, as a server has."""
    return check(text) if frames == 0 else under(frames - 1, text)


@pytest.mark.parametrize("shape", ["list", "map", "steps"])
@pytest.mark.parametrize("keyword", sorted({*compiled().top, *compiled().job}))
def test_the_deepest_values_fit_the_stack(keyword: str, shape: str) -> None:
    """Ninety levels below any keyword, in a job and at the top, and no RecursionError."""
    value = nested(shape, 90)
    plain = under(150, f"j:\n  {keyword}: {value}\n{keyword}: {value}\n")
    referred = f".a: {{k: {value}}}\nj:\n  script: x\n  {keyword}: !reference [.a, k]\n"
    assert all(isinstance(found, Report) for found in (plain, under(150, referred)))


KEYWORDS = sorted({*compiled().top, *compiled().job})
WORDS = st.sampled_from(
    [*KEYWORDS, "a", "b", ".t", "job", "paths", "files", "matrix", "if", "when", "max", "name"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 300),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    WORDS,
    st.text(string.printable, max_size=20),
    st.sampled_from(["$A == $B", "/a(/", "1 week", "$[[ inputs.x ]]", "always", "1/2", "a: [b]"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
JOBS = st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=8)
FILES = st.dictionaries(WORDS, JOBS | VALUES, max_size=6)
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.text(max_size=300))
@RELAXED
def test_any_text_gets_an_answer(text: str) -> None:
    """No text makes the validator raise; an invalid one has a reason with a line."""
    report = check(text)
    assert report.valid or all(found.line >= 1 and found.message for found in report.errors)


@given(st.binary(max_size=300))
@RELAXED
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    """Nor do bytes of any encoding."""
    assert check(raw) == check(raw)


@given(FILES)
@RELAXED
def test_any_yaml_gets_an_answer(value: dict[str, object]) -> None:
    """Files built of GitLab's own keywords with arbitrary values never raise, in either layer."""
    text = yaml.safe_dump(value)
    check(text)
    check_schema(text)


@given(FILES, st.integers(0, 400), st.sampled_from("\t:-[]{}&*!|>'\"%@`#,?\x00\x85\ufeff\ud800"))
@RELAXED
def test_a_damaged_file_gets_an_answer(value: dict[str, object], at: int, junk: str) -> None:
    """One stray character anywhere in a file is no reason to raise."""
    text = yaml.safe_dump(value)
    at = min(at, len(text))
    check(text[:at] + junk + text[at:])
