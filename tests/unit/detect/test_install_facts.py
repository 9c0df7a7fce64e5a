"""What a pipeline is told beside language and tools: what to install, and who hears flags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workers.detect import LocalSource, detect
from workers.detect.analysis import Analysis


def analysed(root: Path, files: dict[str, str]) -> Analysis:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return detect(LocalSource(root))


def facts(root: Path, files: dict[str, str]) -> dict[str, str]:
    return dict(analysed(root, files).facts)


@pytest.mark.parametrize(
    ("manifest", "wanted"),
    [
        ('[build-system]\nrequires = ["hatchling"]\n[project]\nname = "a"\n', "package"),
        ('[project]\nname = "a"\ndependencies = ["click"]\n', "dependencies"),
        ("[tool.ruff]\nline-length = 100\n", None),
    ],
)
def test_only_what_has_a_build_system_is_installed(
    tmp_path: Path, manifest: str, wanted: str | None
) -> None:
    """Without one setuptools guesses the packages, and refuses where several folders could be."""
    files = {"pyproject.toml": manifest, "a/__init__.py": "", "b/__init__.py": "x = 1\n"}
    assert facts(tmp_path, files).get("install") == wanted


def test_extras_groups_and_environments_that_tests_need_are_named(tmp_path: Path) -> None:
    """The surest name wins: `test` before `dev`; others are nobody's business."""
    manifest = (
        '[project]\nname = "a"\n[project.optional-dependencies]\ndocs = ["sphinx"]\n'
        'dev = ["ruff"]\ntest = ["pytest"]\n[dependency-groups]\ndev = ["pytest"]\n'
        '[tool.hatch.envs.checks]\ndependencies = ["pytest"]\n'
    )
    found = facts(tmp_path, {"pyproject.toml": manifest, "src/a/__init__.py": "x = 1\n"})
    assert (found["extra"], found["group"], found["hatch_env"]) == ("test", "dev", "checks")


@pytest.mark.parametrize(
    ("script", "wanted"),
    [("jest", None), ("npm run lint && jest", None), ("jest && eslint .", "script")],
)
def test_flags_reach_the_last_command_of_a_script_only(
    tmp_path: Path, script: str, wanted: str | None
) -> None:
    """Where the test tool is not the last, reporters cannot be asked for behind the script."""
    package = {"name": "a", "scripts": {"test": script}, "devDependencies": {"jest": "^29"}}
    files = {"package.json": json.dumps(package), "a.test.js": "test('x', () => {});\n"}
    assert facts(tmp_path, files).get("tests_in") == wanted


def test_notebooks_are_told_with_and_without_a_manifest(tmp_path: Path) -> None:
    """They are executed: nobody else would notice that one no longer runs."""
    assert facts(tmp_path, {"study.ipynb": '{"cells": []}'})["notebooks"] == "true"
    assert facts(tmp_path, {"requirements.txt": "click\n"})["notebooks"] == "true"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [('package a\n\nimport "C"\n', "true"), ('package a\n\nimport (\n\t"C"\n\t"fmt"\n)\n', "true"),
     ('package a\n\nconst s = "C"\n', None)],
)  # fmt: skip
def test_go_that_compiles_c_is_told(tmp_path: Path, source: str, wanted: str | None) -> None:
    """It needs cgo: without it the file is left out, and nothing is compiled at all."""
    files = {"go.mod": "module example.com/a\n\ngo 1.25\n", "a.go": source}
    assert facts(tmp_path, files).get("cgo") == wanted


@pytest.mark.parametrize(
    ("files", "tool", "runner"),
    [
        ({"lib/a.rb": "", "test/a_test.rb": "require 'minitest/autorun'\n"}, "minitest", "ruby"),
        ({"a.rb": "", "test_a.rb": "class A < Test::Unit::TestCase\nend\n"}, "test-unit", "ruby"),
        ({"lib/a.rb": "", "spec/a_spec.rb": "RSpec.describe 'a' do\nend\n"}, "rspec", "ruby"),
        ({"Rakefile": "Rake::TestTask.new\n", "test/test_a.rb": "Minitest::Test\n"}, "minitest",
         "rake"),
        ({"Rakefile": "task :doc\n", "test/test_a.rb": "Minitest::Test\n"}, "minitest", "ruby"),
        ({"Gemfile": "gem 'rake'\n", "test/test_a.rb": "Minitest::Test\n"}, None, None),
    ],
)  # fmt: skip
def test_ruby_without_a_gemfile_is_tested_by_what_ruby_brings(
    tmp_path: Path, files: dict[str, str], tool: str | None, runner: str | None
) -> None:
    found = analysed(tmp_path, files)
    assert (found.language, found.test_tool, found.facts.get("test_runner")) == (
        "ruby", tool, runner,
    )  # fmt: skip
    assert found.has_tests


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"a.sh": "echo\n", "Makefile": "test:\n\t./a.sh\n"}, {}),
        ({"a.sh": "echo\n", "tests/run.sh": "true\n"}, {"test_script": "tests/run.sh"}),
        ({"a.sh": "echo\n", "tests/one.sh": "true\n"}, {"test_scripts": "true"}),
        ({"a.sh": "echo\n"}, None),
    ],
)
def test_scripts_that_test_scripts(
    tmp_path: Path, files: dict[str, str], wanted: dict[str, str] | None
) -> None:
    """By a Makefile's target, by their runner, else each by itself; a lone script tests nothing."""
    found = analysed(tmp_path, files)
    assert (found.language, found.has_tests) == ("shell", wanted is not None)
    assert dict(found.facts) == (wanted or {})


NODE_TEST = "const test = require('node:test');\n"


@pytest.mark.parametrize(
    ("tools", "files", "tool", "command"),
    [
        ({"jest": "29"}, {"a.test.js": "test('a', () => {});\n"}, "jest", "npx jest"),
        ({"mocha": "10"}, {"test/a.js": "it('a', () => {});\n"}, "mocha", "npx mocha"),
        ({}, {"test/a.js": NODE_TEST}, "node", "node --test"),
        ({}, {"a.test.mjs": "import { test } from 'node:test';\n"}, "node", "node --test"),
        ({}, {"a.test.js": "describe('a', () => {});\n"}, None, None),
        ({}, {"node_modules/b/test.js": NODE_TEST}, None, None),
    ],
)
def test_node_tests_that_no_script_runs(
    tmp_path: Path,
    tools: dict[str, str],
    files: dict[str, str],
    tool: str | None,
    command: str | None,
) -> None:
    """Their declared tool runs them, or Node's own; what calls a tool that is not there cannot."""
    package = {"name": "a", "main": "a.js", "devDependencies": tools}
    found = analysed(tmp_path, {"package.json": json.dumps(package), "a.js": "", **files})
    assert (found.test_tool, found.test_command) == (tool, command)


def test_a_member_whose_script_does_more_shares_no_flags(tmp_path: Path) -> None:
    """Flags behind `npm run test --workspaces` would go to the last command of each."""
    member = {"scripts": {"test": "jest && eslint ."}, "devDependencies": {"jest": "29"}}
    files = {"package.json": '{"workspaces": ["p/*"]}', "p/a/a.test.js": ""}
    files["p/a/package.json"] = files["p/b/package.json"] = json.dumps(member)
    assert facts(tmp_path, files)["tests_in"] == "script"


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["-n", "auto"]\n'},
         "pytest-xdist"),
        ({"pytest.ini": "[pytest]\nasyncio_mode = auto\naddopts = --timeout=5\n"},
         "pytest-timeout pytest-asyncio"),
        ({"setup.cfg": "[metadata]\ndescription = -n auto\n[tool:pytest]\naddopts = -v\n"}, None),
        ({"test_a.py": "def test_a(mocker):\n    pass\n"}, "pytest-mock"),
    ],
)  # fmt: skip
def test_plugins_whose_options_are_used_are_named(
    tmp_path: Path, files: dict[str, str], wanted: str | None
) -> None:
    """Pytest refuses an option that no plug-in knows, declared or not."""
    files = {"a.py": "x = 1\n", "test_a.py": "def test_a():\n    pass\n", **files}
    assert facts(tmp_path, files).get("pytest_plugins") == wanted


def test_an_extension_of_php_that_nothing_installs_is_named(tmp_path: Path) -> None:
    """Composer would refuse to install; those of the image and of the table are no trouble."""
    asked = {"php": ">=8.2", "ext-json": "*", "ext-intl": "*", "ext-uopz": "*"}
    files = {"composer.json": json.dumps({"require": asked}), "src/a.php": "<?php\n"}
    assert facts(tmp_path, files)["unknown_extension"] == "uopz"


@pytest.mark.parametrize(
    ("files", "tool", "wanted"),
    [
        ({"src/A.php": "<?php\n", "tests/ATest.php": "<?php\n"}, "phpunit",
         {"tests_folder": "tests"}),
        ({"src/A.php": "<?php\n", "tests/ATest.php": "<?php\n", "phpunit.xml": "<phpunit/>\n"},
         "phpunit", {}),
        ({"a.php": "<?php\n", "tests/run.php": "<?php\n"}, None, {"test_scripts": "true"}),
        ({"a.php": "<?php\n"}, None, None),
    ],
)  # fmt: skip
def test_php_without_composer_is_tested_by_names(
    tmp_path: Path, files: dict[str, str], tool: str | None, wanted: dict[str, str] | None
) -> None:
    """PHPUnit's files by PHPUnit, in their folder where no settings name one; scripts by PHP."""
    found = analysed(tmp_path, files)
    assert (found.language, found.test_tool, found.has_tests) == ("php", tool, wanted is not None)
    assert {k: v for k, v in found.facts.items() if k.startswith("test")} == (wanted or {})


def test_a_script_of_composer_that_tests_is_a_test(tmp_path: Path) -> None:
    """Whatever it calls: nobody names a script `test` for something else."""
    files = {"composer.json": '{"scripts": {"test": "php check.php"}}', "src/a.php": "<?php\n"}
    found = analysed(tmp_path, files)
    assert (found.has_tests, found.test_command) == (True, "composer test")


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"app.py": "from flask import Flask\nimport yaml\n"}, "flask pyyaml"),
        ({"app.py": "import requests\n", "requests.py": ""}, None),
        ({"app.py": "import flask\n", "requirements.txt": "flask\n"}, None),
        ({"app.py": "import frobnicate_internal\n"}, None),
    ],
)
def test_what_a_program_imports_and_declares_nowhere(
    tmp_path: Path, files: dict[str, str], wanted: str | None
) -> None:
    """Only packages of a table of ours: a name in a repository never decides what is installed."""
    assert facts(tmp_path, files).get("imported") == wanted


def test_examples_in_docstrings_are_tests_where_pytest_is_told_so(tmp_path: Path) -> None:
    files = {"setup.cfg": "[tool:pytest]\naddopts = --doctest-modules\n", "a.py": "x = 1\n"}
    assert (analysed(tmp_path, files).has_tests, analysed(tmp_path, {}).test_tool) == (
        True, "pytest",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "wanted"), [(("a_tests.py",), "otherwise"), (("a_tests.py", "test_b.py"), None)]
)
def test_tests_that_pytest_would_not_take_for_tests(
    tmp_path: Path, names: tuple[str, ...], wanted: str | None
) -> None:
    """It would find none and fail; where it finds some, nobody is told to look for more."""
    files = {"a.py": "x = 1\n", **dict.fromkeys(names, "import unittest\n")}
    assert facts(tmp_path, files).get("tests_named") == wanted


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"setup.cfg": "[flake8]\nmax-line-length = 100\n"}, None),
        ({"setup.cfg": "[metadata]\nname = a\n", "setup.py": "import setuptools\n"}, "package"),
        ({"setup.cfg": "[metadata]\nname = a\n", "pyproject.toml": ""}, "package"),
        ({"setup.cfg": "[flake8]\n", "pyproject.toml": "[tool.ruff]\n"}, None),
    ],
)
def test_settings_of_tools_make_no_package(
    tmp_path: Path, files: dict[str, str], wanted: str | None
) -> None:
    """`pip install -e .` refuses a folder without setup.py and pyproject.toml."""
    files = {"a.py": "x = 1\n", "requirements.txt": "click\n", **files}
    assert facts(tmp_path, files).get("install") == wanted


TOX = """[testenv]
deps =
    -r requirements.txt
    pytest>=8
    freezegun
    py39: backports.zoneinfo
setenv =
    MODE = test
    DJANGO_SETTINGS_MODULE = shop.settings.test
    PYTHONPATH = {toxinidir}
    API_TOKEN = abc
commands = pytest {posargs}
"""

NOX = """import nox


@nox.session
def lint(session):
    session.install("ruff")
    session.run("ruff", "check", ".")


@nox.session
def tests(session):
    session.install("-e", ".")
    session.install("pytest", "hypothesis>=6")
    session.run("pytest")
"""


@pytest.mark.parametrize(
    ("file", "text", "needs"), [("tox.ini", TOX, "freezegun"), ("noxfile.py", NOX, "hypothesis")]
)
def test_what_only_tox_or_nox_installs_for_the_tests_is_named(
    tmp_path: Path, file: str, text: str, needs: str
) -> None:
    """The pipeline calls pytest itself, so it needs what the session that tests installs."""
    found = facts(tmp_path, {"requirements.txt": "flask\n", file: text, "test_a.py": "x = 1\n"})
    assert found["test_needs"] == needs


def test_variables_that_tox_sets_are_told_but_for_paths_and_secrets(tmp_path: Path) -> None:
    """A setting is often such a variable; a path is this machine's, a token nobody's."""
    found = facts(tmp_path, {"requirements.txt": "", "tox.ini": TOX, "test_a.py": "x = 1\n"})
    assert found["test_environment"] == "MODE=test DJANGO_SETTINGS_MODULE=shop.settings.test"


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("test-requirements.txt", "test_requirements"),
        ("requirements_test.txt", "test_requirements"),
        ("tests/requirements.txt", "test_requirements"),
        ("dev-requirements.txt", "dev_requirements"),
        ("requirements/dev.txt", "dev_requirements"),
    ],
)
def test_requirements_of_tests_and_developers_have_many_names(
    tmp_path: Path, name: str, fact: str
) -> None:
    """Each is installed before the tests run, whatever describes the package."""
    files = {"setup.py": "from setuptools import setup\nsetup(name='a')\n", name: "pytest-mock\n"}
    assert facts(tmp_path, {**files, "a.py": "", "test_a.py": ""})[fact] == name


def test_pytest_may_be_told_other_names_of_test_files(tmp_path: Path) -> None:
    """`python_files` says which files are tests (docs.pytest.org)."""
    files = {"pytest.ini": "[pytest]\npython_files = *_spec.py\n", "spec/week_spec.py": "x = 1\n"}
    assert analysed(tmp_path, {**files, "week.py": "x = 1\n"}).has_tests


def test_an_option_of_cmake_without_which_no_test_is_built_is_named(tmp_path: Path) -> None:
    """ctest finds nothing where it is off, and would say that all is well."""
    off = 'option(WITH_TESTS "tests" OFF)\nif(WITH_TESTS)\n  enable_testing()\nendif()\n'
    other = 'option(WITH_DOCS "docs" OFF)\nif(WITH_DOCS)\n  add_subdirectory(docs)\nendif()\n'
    text = f"project(a C)\n{other}{off}"
    found = facts(tmp_path, {"CMakeLists.txt": text, "a.c": "", "tests/t.c": ""})
    assert (found["ctest"], found["tests_option"]) == ("true", "WITH_TESTS")


def test_an_option_of_meson_without_which_no_test_is_built_is_named(tmp_path: Path) -> None:
    """Meson finds no tests where it is off, and says that all is well."""
    options = "option('docs', type: 'boolean', value: false)\n"
    options += "option('tests', type: 'boolean', value: false, description: 'x')\n"
    text = "project('a', 'c')\nif get_option('docs')\n  subdir('doc')\nendif\n"
    text += "if get_option('tests')\n  subdir('tests')\nendif\n"
    files = {"meson.build": text, "meson_options.txt": options, "a.c": "", "tests/t.c": ""}
    found = facts(tmp_path, {**files, "tests/meson.build": "test('t', executable('t', 't.c'))\n"})
    assert found["tests_option"] == "tests"


@pytest.mark.parametrize(
    ("declared", "wanted"),
    [({"tsx": "^4"}, "tsx"), ({"typescript": "^5"}, "fetched-tsx"), ({"jest": "^29"}, "jest")],
)
def test_tests_in_typescript_that_import_nodes_runner_have_one(
    tmp_path: Path, declared: dict[str, str], wanted: str
) -> None:
    """Without a script nothing tells how; tsx is what takes the types away for `node --test`."""
    package = json.dumps({"name": "a", "devDependencies": declared})
    test = 'import test from "node:test";\n'
    files = {"package.json": package, "tsconfig.json": "{}", "src/ring.test.ts": test}
    assert facts(tmp_path, files)["tests_by"] == wanted


@pytest.mark.parametrize(
    ("script", "runs", "covers"),
    [
        ("vitest", None, None),
        ("vitest --run", "true", None),
        ("npm run build && vitest run --coverage", "true", "true"),
        ("vitest --coverage.reporter=html", None, None),
    ],
)
def test_what_vitests_script_says_itself_is_not_said_twice(
    tmp_path: Path, script: str, runs: str | None, covers: str | None
) -> None:
    """Vitest refuses an option that comes twice."""
    package = {"name": "a", "scripts": {"test": script}, "devDependencies": {"vitest": "^2"}}
    found = facts(tmp_path, {"package.json": json.dumps(package), "a.test.js": ""})
    assert (found.get("script_runs"), found.get("script_covers")) == (runs, covers)


def test_a_helper_of_specs_alone_does_not_say_rspec(tmp_path: Path) -> None:
    """Minitest has specs too; the Rakefile names the task that runs them."""
    files = {
        "Gemfile": 'source "https://rubygems.org"\ngem "minitest"\ngem "rake"\n',
        "Rakefile": 'require "rake/testtask"\nRake::TestTask.new(:spec) do |t|\nend\n',
        "spec/spec_helper.rb": 'require "minitest/autorun"\n',
        "spec/a_spec.rb": "",
    }
    found = analysed(tmp_path, files)
    assert (found.test_tool, found.commands["test"][0]) == ("minitest", "bundle exec rake spec")


@pytest.mark.parametrize(
    ("script", "command", "flags"),
    [
        ("phpunit --testdox", "composer test", "flags"),
        (["@lint", "@php vendor/bin/phpunit"], "vendor/bin/phpunit", None),
        (["@lint", "phpunit -c build/phpunit.xml"], "composer test", None),
        (["@putenv APP=test", "phpunit"], "composer test", None),
    ],
)
def test_composers_script_takes_flags_where_it_is_one_command(
    tmp_path: Path, script: str | list[str], command: str, flags: str | None
) -> None:
    """Flags go to every command of a script (getcomposer.org, "Running scripts manually")."""
    composer = {"require-dev": {"phpunit/phpunit": "^11"}, "scripts": {"test": script}}
    found = analysed(tmp_path, {"composer.json": json.dumps(composer), "tests/ATest.php": ""})
    assert (found.commands["test"][0], found.facts.get("composer_test")) == (command, flags)
