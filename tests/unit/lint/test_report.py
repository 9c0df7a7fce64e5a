"""A report as a person and as a program read it."""

from __future__ import annotations

import json

import pytest

from workers.pipeline.lint import Finding, Report, check
from workers.pipeline.lint.report import one_line, to_json, to_text

BROKEN = "build:\n  script: [make]\n  script: [make all]\n  stage: biuld\n"


def test_text_names_file_line_code_and_fix() -> None:
    """One line for each finding, its fix below, in the order of the file, the verdict last."""
    lines = to_text(check(BROKEN), "ci/main.yml").splitlines()
    assert lines[0].startswith("ci/main.yml:3: warning duplicate-key: `script` stands here again")
    assert lines[1].startswith("    fix: ")
    assert lines[2].startswith(
        "ci/main.yml:4: error unknown-stage: `build` is in the stage `biuld`"
    )
    assert lines[3] == "    fix: did you mean `build`?"
    assert lines[4:] == ["ci/main.yml: invalid (1 error, 1 warning)"]


def test_text_of_a_clean_file_is_its_verdict() -> None:
    """Nothing found: one line."""
    assert to_text(check("a: {script: [x]}"), "x.yml") == "x.yml: valid\n"


def test_json_holds_everything() -> None:
    """The object names the file and the verdict; findings keep their four fields."""
    shown = json.loads(to_json(check(BROKEN), "x.yml"))
    assert (shown["file"], shown["valid"]) == ("x.yml", False)
    (error,) = shown["errors"]
    assert error == {
        "code": "unknown-stage",
        "message": "`build` is in the stage `biuld`, which is not declared",
        "line": 4,
        "fix": "did you mean `build`?",
    }
    assert [found["code"] for found in shown["warnings"]] == ["duplicate-key"]


def test_one_line_puts_the_fix_in_brackets() -> None:
    """For lists of strings, as a run keeps them."""
    assert one_line(Finding("c", "m", 3, "f"), "x") == "x:3: c: m (f)"
    assert one_line(Finding("c", "m", 3), "x") == "x:3: c: m"


def test_an_empty_report_is_valid() -> None:
    """Validity is the absence of errors."""
    assert Report().valid and Report(warnings=(Finding("c", "m", 1),)).valid
    assert not Report(errors=(Finding("c", "m", 1),)).valid


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A name in a hostile file cannot move the cursor or colour the text."""
    text = to_text(check('"\\e[31mred\\a\\nx": {stage: nope, script: [x]}\n'))
    assert "\x1b" not in text and "\x07" not in text and "nope" in text


MESSAGES = [
    ("a: {script: x, retry: '2'}", "whole number", "write it without quotes: 2"),
    ("a: {script: x, retry: 3}", "at most 2", "write 2 or less"),
    ("a: {script: 5}", "text or a list", 'quote it: "5"'),
    ("a: {script: x, needs: b}\nb: {script: x}", "a list or a mapping", "write it as a list: [b]"),
    ("a: {script: x, interruptible: no!}", "true or false", "write true or false, without quotes"),
    ("a: {script: x, secrets: {A: {file: true}}}", "misses one of `vault`", "add the one"),
    (
        "a: {script: x, secrets: {A: {gcp_secret_manager: {name: x}}}}",
        "has `gcp_secret_manager` and misses `token`",
        "add `token`",
    ),
    (
        "a: {script: x, needs: [{project: g/p, job: b, artifacts: true}]}",
        "misses `ref`",
        "add `ref`",
    ),
    (
        "a: {script: x, artifacts: {paths: [p], access: all, public: false}}",
        "has `public` beside a keyword that excludes it",
        "remove `public`",
    ),
    ("a:\n  script: - make", "block sequence entries", "on a line of its own"),
    ("varables: {A: b}\na: {script: x}", "is no keyword", "did you mean `variables`?"),
    ("- a", "must be a mapping", "name of a job"),
    ("true: {script: x}", "is read as true or false", 'quote it: "true"'),
    (".a: {script: x}\nb: {script: x, needs: [a]}", "is no visible job", "define the job"),
    (".a: {scripts: x}\nb: {script: !reference [.a, script]}", "to nothing", "mean `scripts`?"),
    (
        "a: {script: x, environment: {name: r, on_stop: b}}\nb: {script: x}",
        "has no environment",
        "give it the same `environment:name`",
    ),
    ("a: {script: x, rules: [{if: '${A}'}]}", "without braces, as `$NAME`", ""),
    ("a: {script: x, rules: [{if: '$A = b'}]}", "uses a single `=`", ""),
    ("a: {script: x, rules: [{if: '$A & $B'}]}", "uses a single `&`", ""),
    ("a: {script: x, rules: [{if: '!$A'}]}", "negates with `!`", ""),
    ("a: {script: x, rules: [{if: '$A =~ /x/'}]}", "only patterns of two or more", ""),
    ("a: {script: x, rules: [{if: '$A =~ /xy'}]}", "a pattern that is not closed", ""),
    ("a: {script: x, rules: [{if: '$A == \"b'}]}", "a quote that is not closed", ""),
    ("a: {script: x, rules: [{if: 'b'}]}", "which is no variable, text in quotes", ""),
    ("a: {script: x, rules: [{if: '($A'}]}", "a parenthesis that is not closed", ""),
    ("a: {script: x, rules: [{if: '$A)'}]}", "a parenthesis that was not opened", ""),
    ("a: {script: x, rules: [{if: '$A =='}]}", "misses a value beside `==`", ""),
    ("a: {script: x, rules: [{if: '$A $B'}]}", "two values with no operator", ""),
    ("a: {script: x, coverage: '/a(?=b)/'}", "uses look-around", ""),
    ("a: {script: x, coverage: '/a(?>b)/'}", "uses an atomic group", ""),
    ("a: {script: x, coverage: '/(a)\\1/'}", "uses a backreference", ""),
    ("a: {script: x, coverage: '/a++/'}", "repeats a repetition", ""),
    ("a: {script: x, coverage: '/a{1001}/'}", "allows 0 to 1000", ""),
    ("a: {script: x, coverage: '/(*a)/'}", "repeats nothing before `*`", ""),
    ("a: {script: x, coverage: '/[b-a]/'}", "the wrong way round", ""),
    ("a: {script: x, coverage: '/[[:alfa:]]/'}", "knows no class [:alfa:]", ""),
]


@pytest.mark.parametrize(("text", "cause", "fix"), MESSAGES)
def test_the_cause_and_the_fix_are_those_of_this_fault(text: str, cause: str, fix: str) -> None:
    """One finding that says what is wrong, and what to write instead."""
    (found,) = check(text).errors
    assert cause in found.message
    assert fix in found.fix


def test_a_circle_of_many_jobs_is_named_by_its_start() -> None:
    """Twelve names and a sign that there are more."""
    jobs = "\n".join(f"j{n}: {{script: x, needs: [j{(n + 1) % 20}]}}" for n in range(20))
    (found,) = check(jobs).errors
    assert found.message.endswith("`j11` → …") and found.line == 1


def test_a_circle_that_is_an_error_is_no_warning_too() -> None:
    """Rules that add needs are looked at only where the jobs' own make no circle."""
    found = check("a: {script: x, needs: [b]}\nb: {script: x, needs: [a], rules: [{needs: [a]}]}")
    assert [one.code for one in found.errors] == ["needs-cycle"]
    assert "needs-cycle" not in {one.code for one in found.warnings}


def test_a_file_full_of_faults_says_that_there_are_more() -> None:
    """At most two hundred are kept, and the verdict does not pass them off as all."""
    text = to_text(check("\n".join(f"j{n}: {{script: 5}}" for n in range(300))), "x.yml")
    assert text.endswith("x.yml: invalid (200 or more errors)\n")
