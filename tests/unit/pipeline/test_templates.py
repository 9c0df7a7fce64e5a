"""Template files: what an operator may write, and how a mistake is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workers.detect.analysis import Analysis
from workers.errors import Misconfigured
from workers.pipeline import lint, policy
from workers.pipeline.plan import Site, build
from workers.pipeline.render import render
from workers.pipeline.templates import BUILTIN, Templates

GOOD = """\
id: mine
version: 1.0.0
summary: our own
extends: base
language: mylang
slots:
  version: {kind: version, from: [version], image: go, default: "1.25"}
  test_command: {kind: command, from: [commands.test]}
jobs:
  compile:
    stage: compile
    image: go
    needs: []
    script:
      - make
  unit_tests:
    stage: test
    image: go
    needs: []
    script:
      - $[[ test_command ]]
"""


def overlay(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_every_template_of_ours_is_good_and_has_its_own_stack() -> None:
    """No two templates speak for the same language and framework."""
    templates = Templates.load().all()
    stacks = [(t.language, t.framework) for t in templates if t.language]
    assert len(stacks) == len(set(stacks))
    assert BUILTIN in {t.id for t in templates}


def test_best_goes_from_framework_to_language_to_builtin() -> None:
    templates = Templates.load()
    assert [q for _, q in (
        templates.best("python", "fastapi"),
        templates.best("python", "no-such-framework"),
        templates.best("python", None),
        templates.best("cobol", None),
        templates.best(None, None),
    )] == ["template", "language_template", "language_template", "builtin", "builtin"]  # fmt: skip
    assert templates.best("python", "fastapi")[0].id == "python-fastapi"
    assert templates.best("python", "no-such-framework")[0].id == "python"
    assert templates.get("no-such-template") is None


def test_an_organisation_adds_a_template_by_adding_a_file(tmp_path: Path) -> None:
    templates = Templates.load(overlay(tmp_path, GOOD))
    assert templates.best("mylang", None)[0].id == "mine"
    assert templates.best("go", None)[0].id == "go"


def test_overlay_wins_by_id_and_by_image(tmp_path: Path) -> None:
    overlay(tmp_path, GOOD.replace("id: mine", "id: go").replace("mylang", "go"), "go.yaml")
    overlay(tmp_path, 'trivy: {repository: nexus.example/trivy, tag: "1.2.3"}\n', "images.yaml")
    template = Templates.load(tmp_path).best("go", None)[0]
    assert template.summary == "our own"
    assert template.images["trivy"].reference == "nexus.example/trivy:1.2.3"
    assert template.images["go"].repository == "golang"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("id: mine", "id: other", "id: should be 'mine'"),
        ("id: mine", "id: Mine!", "id"),
        ("version: 1.0.0", "version: one", "version"),
        ("summary: our own\n", "", "summary"),
        ("language: mylang", "langauge: mylang", "langauge"),
        ("extends: base", "extends: bsae", "there is no template 'bsae'"),
        ("extends: base", "extends: mine", "comes back to itself"),
        ("    stage: compile\n", "    stage: compiel\n", "jobs: compile"),
        ("    stage: compile\n", "", "jobs: compile: stage: is missing"),
        ("    image: go\n    needs: []\n    script:\n      - make\n", "    needs: []\n", "script"),
        ("    image: go\n    needs: []\n    script:\n      - make", "    script: [make]", "image"),
        ("      - make\n", "      - {run: make, if: x}\n", "jobs: compile"),
        ("    image: go\n", "    image: golang:1.25\n", "'golang:1.25' is not in images.yaml"),
        ("    image: go\n", "    iamge: go\n", "iamge"),
        ("  version: {kind", "  release: {kind", "there is no slot `version`"),
        ("    needs: []\n", "    needs: [lint]\n", "needs: there is no job 'lint'"),
        ("    needs: []\n", "    extends: .none\n", "there is no hidden job '.none'"),
        ("    needs: []\n", "    only: [main]\n", "only"),
        ("    needs: []\n", "    environment: production\n", "environment"),
        ("    needs: []\n", "    only_if: {colour: red}\n", "'colour' is no field"),
        ("    needs: []\n", "    only_if: [x]\n", "only_if"),
        ("    needs: []\n", "    only_if: {language: {a: b}}\n", "language"),
        ("    needs: []\n", "    retry: {max: 2, when: [script_failure]}\n", "script_failure"),
        ("$[[ test_command ]]", "$[[ tset_command ]]", "there is no slot 'tset_command'"),
        ("$[[ test_command ]]", "$[[test_command]]", "a slot is written"),
        ("kind: command", "kind: anything", "slots"),
        ("image: go, default", "image: gone, default", "'gone' is not in images.yaml"),
        ("slots:\n", "slots:\n  backend_url: {kind: name}\n", "is a name of the site's"),
        ("slots:\n", "docker: {dockerfile: none.Dockerfile}\nslots:\n", "none.Dockerfile"),
        ("slots:\n", "docker: {requires: [none]}\nslots:\n", "there is no slot 'none'"),
        ("slots:\n", "variants: [{jobs: {}}]\nslots:\n", "variants[1]"),
        ("slots:\n", "variants: [{only_if: {language: x}, id: y}]\nslots:\n", "no key of a var"),
        (
            "slots:\n",
            "variants: [{only_if: {slot.version: x}, slots: {}}]\nslots:\n",
            "is not known yet",
        ),
        (
            "slots:\n",
            "variants: [{only_if: {language: x}, jobs: {compile: {stage: x}}}]\nslots:\n",
            "variants[1]: jobs: compile",
        ),
        ("jobs:\n", "jobs: &a\n", "anchors"),
        ("jobs:\n", "jobs:\n  compile: {stage: compile, image: go, script: [x]}\n", "stands twice"),
        ("jobs:\n", "jobs: [\n", "line"),
        ("id: mine", "- id: mine", "line 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_cause(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """Whoever edits a template reads which file, which key and why."""
    assert old in GOOD
    with pytest.raises(Misconfigured) as caught:
        Templates.load(overlay(tmp_path, GOOD.replace(old, new, 1)))
    assert "mine.yaml" in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("x: {repository: a/b, tag: latest}", "latest"),
        ("x: {repository: 'a b', tag: '1'}", "repository"),
        ("x: {repository: a, tag: '1 ;'}", "tag"),
        ("x: {repository: a, tag: '1', versions: ['1']}", "versions"),
        ("x: {repository: a, tag: '$[[ version ]]'}", "versions"),
        ("x: {repository: a, tag: '$[[ version ]]', versions: ['1'], eol: ['2']}", "eol"),
        ("x: {repository: a}", "tag"),
        ("x: {repository: a, tag: '1', digest: x}", "digest"),
        ("x: a:1", "x"),
    ],
)
def test_a_mistake_in_the_table_of_images_is_told(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Templates.load(overlay(tmp_path, row + "\n", "images.yaml"))
    assert "images.yaml: x" in str(caught.value)
    assert told in str(caught.value)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="TEMPLATES_DIR"):
        Templates.load(tmp_path / "none")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="UTF-8"):
        Templates.load(tmp_path)
    (tmp_path / "x.yaml").write_text("#" * 300_000)
    with pytest.raises(Misconfigured, match="larger"):
        Templates.load(tmp_path)


def test_the_example_of_the_readme_is_good_and_gives_a_pipeline(tmp_path: Path) -> None:
    """Both of its files, as they stand there: checked by the command, and allowed by the policy."""
    text = (Path(__file__).parents[3] / "templates" / "README.md").read_text()
    images, template = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "images.yaml").write_text(images)
    (tmp_path / "fortran.yaml").write_text(template)
    done = subprocess.run(
        [Path(sys.executable).with_name("devops-backend"), "templates", "check"],
        env={**os.environ, "TEMPLATES_DIR": str(tmp_path), "STATE_DIR": str(tmp_path / "state")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^fortran +1\.0\.0 +fortran", done.stdout, re.MULTILINE)

    analysis = Analysis(language="fortran", has_tests=True)
    chosen, quality = Templates.load(tmp_path).best("fortran", None)
    plan = build(chosen, analysis, Site())
    files = render(plan)
    assert quality == "language_template"
    assert policy.check(plan, files) == []
    assert lint.check(files[".gitlab-ci.yml"]).errors == ()
    assert "ctest --test-dir build --output-on-failure" in files[".gitlab-ci.yml"]
