"""`.devops-backend.yml`: what is written is what counts, and a mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.detect.trees import analysed

FILE = ".devops-backend.yml"
APP: dict[str, str | bytes] = {"requirements.txt": "flask\n", "app.py": "", "lib/a.py": ""}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("langage: go\n", "unknown key `langage`; did you mean `language`?"),
        ("Test_Command: make\n", "unknown key `Test_Command`; did you mean `test_command`?"),
        ("zzz: 1\nport: 0\n", "unknown key `zzz`; known are language,"),
        ("'`x` [y](z)': 1\n", "unknown key; known are"),
        ("port: 0\n", "breaks its schema at port"),
        ("path: nowhere\n", "names the path `nowhere`, but there is no such folder"),
        ("path: lib/deeper\n", "names the path `lib/deeper`, but there is no such folder"),
        ("path: app.py\n", "names the path `app.py`, but there is no such folder"),
    ],
)
def test_a_mistake_is_a_question_and_a_note(tmp_path: Path, own: str, said: str) -> None:
    """It is the first question, among the evidence, and a fact that the plan turns into a note."""
    found = analysed(tmp_path, {**APP, FILE: own})
    assert said in found.questions[0]
    assert said in found.facts["stated_fault"]
    assert any(e.file == FILE and said in e.claim for e in found.evidence)
    assert found.language == "python"


def test_a_path_in_vain_leaves_the_other_statements(tmp_path: Path) -> None:
    """Only the folder is left out; its question stays though the language is settled."""
    found = analysed(tmp_path, {**APP, FILE: "language: python\nport: 9000\npath: nowhere\n"})
    assert (found.port, len(found.questions)) == (9000, 1)
    assert "`nowhere`" in found.questions[0]


@pytest.mark.parametrize(
    ("own", "version"),
    [
        ("version: 3.10\n", "3.10"),
        ("language: python\nversion: 3.10  # not 3.1\n", "3.10"),
        ("{language: python, version: 3.20}\n", "3.20"),
        ("version: 8\n", "8"),
        ("version: '3.10'\n", "3.10"),
    ],
)
def test_a_version_is_the_text_that_stands_there(tmp_path: Path, own: str, version: str) -> None:
    """YAML reads 3.10 as 3.1; nobody who writes it means that."""
    assert analysed(tmp_path, {**APP, FILE: own}).version == version


def test_a_stated_test_command_says_that_there_are_tests(tmp_path: Path) -> None:
    """Files of tests under names that no rule knows do not lose the job."""
    assert not analysed(tmp_path / "a", APP).has_tests
    found = analysed(tmp_path / "b", {**APP, FILE: "test_command: make check\n"})
    assert found.has_tests
    assert found.facts["stated"] == "test_command"
