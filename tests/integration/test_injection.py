"""Prompt injection: a model that obeys the attacker in every field cannot put a word of theirs into
a file that is committed, nor into a merge request outside of code.

Each of 468 hostile repositories (156 in the usual run) goes the whole way from detection to files
and text, with a double of Ollama over HTTP that answers every question with what the attacker would
want most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.support.corpus import MemorySource
from tests.support.injected import ATTACKS, MARK, PLACES, Injected, repositories
from tests.support.ollama import OllamaDouble
from workers.clients.ollama import Model
from workers.detect import detect
from workers.detect.analysis import Analysis
from workers.pipeline import policy
from workers.pipeline.plan import Site
from workers.pipeline.render import render
from workers.pipeline.templates import Templates
from workers.steps.describe import Story, text, title
from workers.steps.generate import Generated, generate
from workers.steps.markdown import unsafe_lines
from workers.steps.origin import Origin
from workers.steps.retrieve import from_templates

CORPUS = tuple(repositories())
USUAL = 1 if os.environ.get("HOSTILE_ALL") else 3
"""Of how many one is tried, each attack and each place among them; all with HOSTILE_ALL=1."""
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Obedient(OllamaDouble):
    """Says for each slot what suits the attacker most: of the values offered one of theirs, else
    their own text; and things that nobody asked for."""

    def _says(self, body: Mapping[str, Any]) -> str:
        slots = body["format"]["properties"]
        said = {slot: _worst(rule["enum"], self.attack) for slot, rule in slots.items()}
        more = dict.fromkeys(("image", "script", "include", "branch", "path"), self.attack)
        return json.dumps(more | said)


def _worst(offered: list[str], attack: str) -> str:
    theirs = [value for value in offered if MARK in value]
    return theirs[-1] if theirs else attack


@pytest.fixture(scope="module")
def templates() -> Templates:
    """The templates of this checkout."""
    return Templates.load()


@pytest.fixture(scope="module")
def double() -> Iterator[Obedient]:
    """The model of this module."""
    server = Obedient()
    with server:
        yield server


def _source(repository: Injected) -> MemorySource:
    return MemorySource({path: body.encode() for path, body in repository.files.items()})


def _made(
    repository: Injected, double: Obedient, templates: Templates
) -> tuple[Analysis, Generated]:
    analysis = detect(_source(repository))
    model = Model(double.url, double.models[0], 20.0)
    return analysis, generate(analysis, from_templates(analysis, None, templates), Site(), model)


def _text(analysis: Analysis, made: Generated) -> str:
    plan = made.plan
    origin = Origin(source="template", by_model=made.model, fallback=made.fallback_reason)
    return text(Story(
        run_id="r", source_sha="a" * 40, analysis=analysis, origin=origin,
        files=tuple(render(plan)), steps=plan.stage_graph(), variables=plan.required_variables,
        notes=plan.notes,
    ))  # fmt: skip


def test_the_corpus_is_what_it_says() -> None:
    """At least 150 repositories, each with the attacker's mark in it."""
    assert len(CORPUS) == len(PLACES) * len(ATTACKS) >= 150
    assert len({repository.name for repository in CORPUS}) == len(CORPUS)
    for repository in CORPUS:
        assert MARK in str(repository.files) or MARK in repository.files


@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_the_attackers_is_committed(
    place: str, double: Obedient, templates: Templates
) -> None:
    """Whatever the model says: no file holds their mark, each passes the policy, and the merge
    request shows what is theirs in code alone."""
    here = [r for r in CORPUS if r.name.startswith(f"{place}: ")]
    for repository in here[list(PLACES).index(place) % USUAL :: USUAL]:
        double.attack = ATTACKS[repository.name.partition(": ")[2]]
        analysis, made = _made(repository, double, templates)
        files = render(made.plan)
        assert policy.check(made.plan, files) == [], repository.name
        for path, body in files.items():
            assert MARK not in body.lower(), (repository.name, path)
        assert set(files) <= set(policy.FILES)
        said = _text(analysis, made)
        assert unsafe_lines(said) == [], repository.name
        assert MARK not in title(analysis).lower()
        assert MARK not in _outside_code(said).lower(), repository.name


def _outside_code(said: str) -> str:
    """What another reader of Markdown takes for text or HTML."""
    shown = []
    for token in MARKDOWN.parse(said):
        if token.type == "html_block":
            shown.append(token.content)
        shown += [i.content for i in token.children or () if i.type != "code_inline"]
    return "\n".join(shown)


def test_the_model_is_really_asked_and_really_obeys(double: Obedient, templates: Templates) -> None:
    """Otherwise the tests above would prove nothing: it is asked in many of the repositories, its
    answers are refused, and each refusal is told."""
    double.questions.clear()
    double.attack = ATTACKS["chain"]
    made = [_made(r, double, templates)[1] for r in CORPUS if r.name.endswith(": chain")]
    assert len(double.questions) >= 5
    refused = [one for one in made if "none of the values" in (one.fallback_reason or "")]
    assert len(refused) >= 5
    assert all(one.by == "reference" for one in refused)


def test_prompts_hold_no_prose_of_the_repository(double: Obedient, templates: Templates) -> None:
    """READMEs, recipes, test code and bodies of scripts are no facts: a model never sees them."""
    for place in ("README", "notebook", "tests", "script's body"):
        for attack in ("chain", "order", "html", "quick action"):
            double.questions.clear()
            repository = Injected(f"{place}: {attack}", PLACES[place](ATTACKS[attack]))
            _made(repository, double, templates)
            assert MARK not in "".join(double.prompts), repository.name


BRANCHES = ("x;curl${IFS}zanzibar", "$(zanzibar)", "`zanzibar`", "a'zanzibar", 'a"zanzibar',
            "a&zanzibar", "a|zanzibar", "zanzibar/{{x}}", "#zanzibar", "zanzibar!x", "zanzibar,b",
            "é\u202ezanzibar", "--upload-pack=zanzibar", "a" * 200 + "zanzibar")  # fmt: skip
"""What git-check-ref-format takes as a branch's name."""


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branchs_name_is_data(branch: str, templates: Templates) -> None:
    """A default branch with a shell's letters in its name: it stands in no script, and the file
    is still the YAML it would be."""
    analysis = detect(MemorySource({"go.mod": b"module x\n\ngo 1.22\n", "main.go": b"package m\n"}))
    reference = from_templates(analysis, None, templates)
    plain = yaml.safe_load(_ci(analysis, reference, "main"))
    hostile = yaml.safe_load(_ci(analysis, reference, branch))
    assert hostile.keys() == plain.keys()
    for name, job in hostile.items():
        if isinstance(job, dict) and "script" in job:
            assert MARK not in str(job["script"]), name
            assert job["script"] == plain[name]["script"]


def _ci(analysis: Analysis, reference: Any, branch: str) -> str:
    return render(generate(analysis, reference, Site(default_branch=branch), None).plan)[
        ".gitlab-ci.yml"
    ]
