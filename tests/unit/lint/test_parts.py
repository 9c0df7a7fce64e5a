"""The small readers that the validator is made of: conditions, patterns, durations, scalars."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.pipeline.lint import check, duration, expression, matching, regex, scalars

GOOD_CONDITIONS = [
    "$A",
    '$A == "x"',
    "$A == $B",
    "$A != null",
    "'x' == $A",
    "$A =~ /^v\\d+/",
    "$A !~ /ab\\/c/ims",
    '$A =~ "text"',
    "$A =~ $PATTERN",
    "($A || $B) && $C",
    "((($A)))",
    "$A&&$B",
    "$A == true",
    "$[[ inputs.x ]] == 'a'",
    "$A $B ==",
]
BAD_CONDITIONS = {
    "": "empty",
    "   ": "empty",
    "$A = 'x'": "==",
    "$A & $B": "&&",
    "$A | $B": "||",
    "${A}": "without braces",
    "!$A": "negates",
    "$A $B": "no operator",
    "$A ==": "misses a value",
    "== $A": "misses a value",
    "($A": "not closed",
    "$A)": "not opened",
    "$A == main": "no variable",
    "$A == 'x": "quote that is not closed",
    "$A =~ /x/": "two or more characters",
    "$A =~ /abc": "not closed",
    "$A =~ /a(b/": "never closed",
    "$A =~ /a(?!b)c/": "look-around",
    "$A " + "&& $A " * 60: "more than 99 parts",
}
GOOD_PATTERNS = [
    "", "abc", "^a$", "a|b", "a*?", "a+?b??", "a{2}", "a{2,}", "a{2,3}?", "a{,3}", "{", "a{x}",
    "(a)", "(?:a)", "(?i)a", "(?i:a)", "(?P<n>a)", "(?<n>a)", "[a-z]", "[^]a]", "[]a]", "[a\\]b]",
    "[[:alpha:]_]", r"\d\s\w\b\B", r"\A\z", r"\pL\p{Greek}\PN", r"\Qa(b\E", r"\x41\.", r"\/", "|a",
    "^total:\\s+\\(statements\\)\\s+(\\d+\\.\\d+)%", "a||b", "(|a)",
]  # fmt: skip
BAD_PATTERNS = {
    "(": "never closed",
    ")": "without its",
    "[a": "never closed",
    "*a": "repeats nothing",
    "a|*": "repeats nothing",
    "a**": "repeats a repetition",
    "a++": "repeats a repetition",
    "(?=a)": "look-around",
    "(?<!a)b": "look-around",
    "(?>a)": "atomic",
    "(?#x)": "does not know",
    "(a)\\1": "backreference",
    "\\Z": "does not know",
    "\\h": "does not know",
    "a\\": "single backslash",
    "a{1001}": "repetition",
    "a{3,2}": "repetition",
    "[z-a]": "wrong way",
    "[[:word]:]a[[:nope:]]": "no class",
    "\\p1": "name of a class",
}
MATCHES = [
    *("", "^$", "a|b", "^(dev|prod)$", "^v\\d+(\\.\\d+)+$", "[^a-c]{2,3}d?", "a{2}", "a{1,}?b"),
    *(
        "^(?:ab|a)*$",
        "\\bb\\b",
        "\\Bb",
        "[]x]",
        "[\\]x]",
        "^\\[x\\]$",
        "\\.|\\s",
        "(a|)b",
    ),
]
MATCHED = ["", "a", "b", "ab", "aab", "abc", "dev", "v1", "v1.2.3", "a b", "[x]", "x]", "prod!"]
DURATIONS = {
    "1h": 3600, "1h 30m": 5400, "2 hrs 20 min": 8400, "2h20min": 8400, "1.5 hours": 5400,
    "3 weeks and 2 days": 1987200, "90": 90, "week": 604800, "one hour": 3600, "1 day 5": 86405,
    "01:30:00": 5400, "5 minutes, 30 seconds": 330, "1 MONTH": 2592000,
}  # fmt: skip
NO_DURATIONS = [
    "",
    "never",
    "soon",
    "1 fortnight",
    "0",
    "0 minutes",
    "$TIMEOUT",
    "1x",
    "7 elephants",
]
SCALARS = {
    "yes": True, "Off": False, "on": True, "y": "y", "~": None, "": None, "Null": None,
    "nULL": "nULL", "12": 12, "-12": -12, "0644": 420, "0o17": "0o17", "0xff": 255, "0b11": 3,
    "1_000": 1000, "1,000": 1000, "1.5": 1.5, "1e3": "1e3", "1.5e3": 1500.0, "3.11": 3.11,
    ".5": 0.5, ".": ".", "1.2.3": "1.2.3", ":sym": "sym", "::x": "::x",
    "12:30": 0, "12:99": "12:99",
    "-": "-", "+": "+", "0": 0, "00": 0, "08": "08", "1__0": "1__0",
}  # fmt: skip


@pytest.mark.parametrize("text", GOOD_CONDITIONS)
def test_conditions_that_gitlab_reads(text: str) -> None:
    """Every form of its expression language, odd ones included."""
    assert expression.fault(text) is None


@pytest.mark.parametrize("text", BAD_CONDITIONS)
def test_conditions_that_gitlab_refuses(text: str) -> None:
    """Each is refused, and the reason names what is wrong."""
    problem = expression.fault(text)
    assert problem is not None and BAD_CONDITIONS[text] in problem


@pytest.mark.parametrize("pattern", GOOD_PATTERNS)
def test_patterns_that_re2_compiles(pattern: str) -> None:
    """RE2's syntax is accepted, also where Python's differs."""
    assert regex.fault(pattern) is None


@pytest.mark.parametrize("pattern", MATCHES)
def test_patterns_match_what_python_says_they_match(pattern: str) -> None:
    """Where both read a pattern alike, Python's matcher is the judge."""
    for text in MATCHED:
        assert matching.matches(pattern, text) == bool(re.search(pattern, text)), text


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa|a*)*$", "((a*)*)*$", "(a?){9}$"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """A pattern made to take for ever has its answer in a blink."""
    start = time.perf_counter()
    assert matching.matches(pattern, "a" * 200) is True
    assert matching.matches(pattern + "c", "a" * 200) is False
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)a",
        "(((a{90}){90}){90}){90}",
        "(" * 99 + ")" * 99,
        "\\pL",
        "[[:alpha:]]",
        "a" * 301,
        "(",
    ],
)
def test_rare_patterns_have_no_answer(pattern: str) -> None:
    """Rather no answer than a wrong one."""
    assert matching.matches(pattern, "a") is None


@pytest.mark.parametrize("pattern", BAD_PATTERNS)
def test_patterns_that_re2_refuses(pattern: str) -> None:
    """What RE2 lacks, and what no engine takes."""
    problem = regex.fault(pattern)
    assert problem is not None and BAD_PATTERNS[pattern] in problem


@given(st.text("ab(){}[]*+?|\\^$.-,:!<>=19pPQEdZ/", max_size=40))
def test_the_pattern_scan_ends(pattern: str) -> None:
    """The scan never raises, and judges the same text alike."""
    assert regex.fault(pattern) == regex.fault(pattern)
    expression.fault(f"$A =~ /{pattern}/")


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_in_seconds(text: str) -> None:
    """Numbers, units, words, joiners and the clock."""
    assert duration.seconds(text) == DURATIONS[text]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_no_durations(text: str) -> None:
    """Unknown words, and nothing or zero, are no duration."""
    assert duration.seconds(text) is None


@pytest.mark.parametrize("text", SCALARS)
def test_plain_scalars_are_read_as_ruby_reads_them(text: str) -> None:
    """YAML 1.1 as Psych has it, types included."""
    value = scalars.plain(text)
    assert value == SCALARS[text] and type(value) is type(SCALARS[text])


def test_dates_are_marked() -> None:
    """Psych would make an object of a date, which GitLab does not allow."""
    for text in ("2026-01-31", "2026-01-31 10:00:00", "2026-01-31T10:00:00Z"):
        assert isinstance(scalars.plain(text), scalars.Timestamp)
    assert not isinstance(scalars.plain("2026-13-31"), scalars.Timestamp)


def test_a_long_name_is_cut_in_messages() -> None:
    """A name as long as the file does not make the message so long."""
    name = "n" * 900
    report = check(f"{name}: {{script: [x], needs: [{'m' * 900}]}}\n")
    assert {found.code for found in report.errors} == {"long-name", "unknown-needs"}
    assert all(len(found.message) < 300 for found in report.errors)


@pytest.mark.parametrize(
    ("raw", "code", "line"),
    [
        (b"a: b\n\xff\n", "encoding", 2),
        ("a: b\nc: \ud800\n", "encoding", 2),
        ("", "empty", 1),
        ("# only a comment\n", "empty", 1),
        ("a: {script: [x]}\n---\nb: 1\n---\nc: 1\n", "documents", 1),
        ("\x00", "yaml-syntax", 1),
    ],
)
def test_what_is_no_file_at_all(raw: str | bytes, code: str, line: int) -> None:
    """Encodings, emptiness and too many documents each have their own reason."""
    (found,) = check(raw).errors
    assert (found.code, found.line) == (code, line)


def test_a_byte_order_mark_is_harmless() -> None:
    """GitLab reads the file; the author is told."""
    report = check(b"\xef\xbb\xbfa: {script: [x]}\n")
    assert report.valid and [found.code for found in report.warnings] == ["bom"]


def test_leading_document_marker_is_no_second_document() -> None:
    """`---` on the first line, as YAML files often have it."""
    assert check("---\na: {script: [x]}\n") == check("\na: {script: [x]}\n")
