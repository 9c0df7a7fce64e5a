"""A report as a person and as a program read it."""

from __future__ import annotations

import json

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
