"""The merge request's text: complete for people, harmless whatever a repository holds."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from workers.clients.gitlab_ci_types import Image, Job, PipelineState, Tests
from workers.detect.analysis import Analysis, Evidence
from workers.steps.confirm import Verdict, verdict
from workers.steps.describe import MAX_TEXT, Story, text, title
from workers.steps.ending import note
from workers.steps.generate import NO_MODEL, NOTHING_OPEN
from workers.steps.markdown import code, label, plain, prose, unsafe_lines
from workers.steps.origin import Origin


class Step(msgspec.Struct, frozen=True):
    job: str
    stage: str
    needs: tuple[str, ...] | None = None
    advisory: bool = False


class Variable(msgspec.Struct, frozen=True):
    name: str
    why: str = "SonarQube refuses scans without it."
    used_by: tuple[str, ...] = ("sonar",)
    needed: bool = False
    secret: bool = True


class App(msgspec.Struct, frozen=True):
    name: str
    path: str
    template: str = "go"
    language: str | None = "go"
    framework: str | None = None


ANALYSIS = Analysis(
    language="go",
    framework="gin",
    version="1.22",
    test_command="go test ./...",
    confidence=0.9,
    evidence=(Evidence("language=go", "go.mod", 1), Evidence("test_command=…", "Makefile")),
    questions=("Which port does `main.go` listen on?",),
)
STORY = Story(
    run_id="run-1",
    source_sha="abcdef0123456789" + "0" * 24,
    analysis=ANALYSIS,
    origin=Origin(source="learned", id="lp-7", confidence=0.75, successes=3, failures=1),
    files=(".gitlab-ci.yml", "Dockerfile"),
    steps=(
        Step("unit", "test"),
        Step("compile", "compile"),
        Step("image", "build", ("compile",)),
        Step("learn_record", "learn", advisory=True),
    ),
    variables=(Variable("SONAR_TOKEN"),),
    notes=("No push job: the repository does not tell its `image`.",),
    kept=(".dockerignore",),
    warnings=("jobs:x may allow multiple pipelines",),
    run_url="http://localhost:8000/runs/run-1",
)
GREEN = PipelineState(
    id=31,
    status="success",
    sha="a" * 40,
    ref="b",
    duration=83.4,
    jobs=(Job(id=1, name="unit", stage="test", status="success", duration=12.0),),
    tests=Tests(12, 11, 0, 0, 1),
)


def test_it_tells_what_a_reviewer_asks() -> None:
    """Found, evidence, origin and record, variables and where, left out, questions, how to stop."""
    said = text(STORY)
    for part in (
        "`go test ./...`",
        "| `language=go` | `go.mod` | 1 |",
        "3 of 4 pipelines went green",
        "`lp-7`",
        "| `SONAR_TOKEN` | optional | masked, not protected |",
        "Settings → CI/CD → Variables",
        "`.dockerignore` was there already",
        "No push job: the repository does not tell its `image`.",
        "Which port does `main.go` listen on?",
        "close this merge request",
        "`http://localhost:8000/runs/run-1`",
        "`abcdef012345`",
    ):
        assert part in said
    assert "How it went" not in said
    assert unsafe_lines(said) == []


def test_the_graph_shows_stages_in_order() -> None:
    """A Mermaid flowchart: stages as they run, jobs in them, needs as arrows."""
    graph = text(STORY).partition("```mermaid\n")[2].partition("\n```")[0]
    assert re.findall(r'subgraph s\d\["(\w+)"\]', graph) == ["compile", "build", "test", "learn"]
    assert '["learn_record (advisory)"]' in graph
    assert "j0 --> j1" in graph


SEVERAL = msgspec.structs.replace(
    STORY,
    analysis=msgspec.structs.replace(
        ANALYSIS,
        monorepo="services",
        parts=(
            Analysis(language="go", evidence=(Evidence("language=go", "services/api/go.mod"),)),
            Analysis(
                language="python", evidence=(Evidence("port=8000", "services/ml/main.py", 3),)
            ),
        ),
    ),
    apps=(App("api", "services/api"), App("ml", "services/ml", "python-flask", "python", "flask")),
    steps=(
        Step("api:compile", "compile", ()),
        Step("api:unit", "test", ("api:compile",)),
        Step("ml:unit", "test", ()),
        Step("scan", "sast", (), advisory=True),
    ),
    variables=(Variable("SONAR_TOKEN", used_by=tuple(f"a{n}:sonar" for n in range(12))),),
)


def test_of_several_apps_each_is_told_and_the_picture_is_one() -> None:
    """A table of apps with their jobs and templates; every job is drawn once; cells stay short."""
    said = text(SEVERAL)
    assert title(SEVERAL.analysis) == "Add a CI pipeline (go, python)"
    assert "| `services/api` | `go` | `go` | `api:` | compile 1, test 1 |" in said
    assert "| `services/ml` | `python flask` | `python-flask` | `ml:` | test 1 |" in said
    assert "| `port=8000` | `services/ml/main.py` | 3 |" in said
    assert "| Test |" not in said, "the main app's command is not everyone's"
    graph = said.partition("```mermaid\n")[2].partition("\n```")[0]
    assert graph.count('["unit"]') == 1
    assert "j0 --> j1" in graph
    assert "`a7:sonar` and 4 more" in said
    assert unsafe_lines(said) == []


def test_after_the_pipeline_it_tells_how_it_went() -> None:
    """Durations, tests and jobs; and whether it counts as proven."""
    found = verdict(GREEN, {"unit": "test", "compile": "compile"})
    said = text(msgspec.structs.replace(STORY, pipeline=GREEN, verdict=found))
    assert "Pipeline `31` is green after 1 min 23 s." in said
    assert "Of 12 tests 11 passed, 0 failed, 1 were skipped." in said
    assert "| `test` | `unit` | `success` | 12 s |" in said
    assert "Coverage" not in said, "nothing is told that GitLab did not tell"
    assert "Image size" not in said
    assert "no other project starts from it:" in said
    assert "Its own pipeline is green" in said
    assert "stays a draft" not in said
    assert "- no job of the stages compile and build ran" in said
    running = msgspec.structs.replace(STORY, pipeline=GREEN, verdict=Verdict(outcome="running"))
    assert "How it went" not in text(running)


def test_it_tells_coverage_and_image_size_where_gitlab_does() -> None:
    """Both in the sentence of the ending, with their units."""
    images = (Image("app", 23_400_000), Image("app/worker", 1_250_000_000))
    state = msgspec.structs.replace(GREEN, coverage=87.46, images=images)
    found = Verdict(outcome="succeeded", proven=True)
    said = text(msgspec.structs.replace(STORY, pipeline=state, verdict=found))
    assert "Coverage 87.5 %. Image size: `app` 23.4 MB, `app/worker` 1.25 GB." in said


def test_a_plan_without_a_record_says_so() -> None:
    """No invented confidence; and why no model was asked, or not followed, is a sentence."""
    for reason, sentence in (
        (NOTHING_OPEN, "No model took part: the repository left nothing open."),
        (NO_MODEL, "No model took part: none is in use."),
        ("it did not answer in time", "No model was followed: it did not answer in time."),
    ):
        origin = Origin(source="template", id="go", fallback=reason)
        said = text(msgspec.structs.replace(STORY, origin=origin))
        assert "It had no record before" in said
        assert sentence in said


def test_what_a_person_has_to_answer_stands_before_what_was_found() -> None:
    """Questions come first, with the file that answers them; doubtful findings ask for a look."""
    doubtful = msgspec.structs.replace(ANALYSIS, confidence=0.55)
    said = text(msgspec.structs.replace(STORY, analysis=doubtful))
    assert said.index("## Questions") < said.index("## What was found")
    assert "`.devops-backend.yml`" in said
    assert "Confidence 55%: please check that this is your project." in said
    assert "Confidence 90%." in text(STORY)


def test_the_title_names_the_stack() -> None:
    """Language and framework, and neither where neither is known."""
    assert title(ANALYSIS) == "Add a CI pipeline (go, gin)"
    assert title(Analysis()) == "Add a CI pipeline"
    assert title(Analysis(language="[skip ci] @all <b>")) == "Add a CI pipeline (skip ci all b)"


def test_it_is_the_same_for_the_same_data() -> None:
    """Living text: written anew from data, byte for byte."""
    assert text(STORY) == text(msgspec.structs.replace(STORY))


ATTACKS = (
    "/merge",
    "\n/approve\n/merge",
    "@all @root",
    "Closes #1",
    "fixes group/project#12, !3, &4, ~5, %6, $7",
    "<img src=x onerror=alert(1)>",
    "<!-- hidden -->",
    "[click](http://evil.example)",
    "![x](http://evil.example/?q=1)",
    "http://evil.example www.evil.example",
    "`code` /merge `",
    "```\n/merge\n```",
    "`````` /merge",
    "a|b|\\|c \\` \\",
    "[skip ci]",
    "\u202e/egrem\u202c \u200b@\u200ball",
    "\U000e0041\U000e0042 tags",
    "\x00\x07\x1b[31m\r/merge\x0b/merge\x0c/merge\x85/merge\u2028/merge\u2029/merge",
    "\ud800 lone surrogate",
    '"]\n  click j0 "javascript:alert(1)"\n```\n/merge',
    "- [ ] task\n# heading\n> quote\n---",
    "$$x$$ $`y`$ :tada: [[wiki]] [^1] {{x}} %{y}",
    "|" * 50,
    "`" * 300,
    "x" * 5000,
    "",
    " ",
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
"""Another program's reading of the text: what it sees as code is code for GitLab too."""
BLOCKS = {"inline", "fence"} | {
    f"{kind}_{end}"
    for kind in ("heading", "paragraph", "bullet_list", "list_item")
    + ("table", "thead", "tbody", "tr", "th", "td")
    for end in ("open", "close")
}
CONTROLS = "\x00\x1b\u202e\u200b\u2066\ufeff\U000e0041"


def hostile(raw: str) -> Story:
    """A story whose every string is `raw`."""
    job = Job(id=1, name=raw, stage=raw, status=raw, duration=1.0, failure_reason=raw)
    fields: dict[str, Any] = dict.fromkeys(
        ("language", "framework", "version", "package_manager", "build_command", "test_command")
        + ("test_tool", "entry_point", "monorepo"),
        raw,
    )
    return Story(
        run_id=raw,
        source_sha=raw,
        analysis=Analysis(**fields, evidence=(Evidence(raw, raw, 3),), questions=(raw, raw)),
        origin=Origin(source=raw, id=raw, by_model=raw, fallback=raw, successes=1),
        files=(raw, raw),
        steps=(Step(raw, raw, (raw,)), Step("x", raw, (raw,), True), Step("y", "test")),
        apps=(App(raw, raw, raw, raw, raw),),
        variables=(Variable(raw, raw, (raw, raw), True), Variable(raw, raw, (), False, False)),
        notes=(raw, raw),
        kept=(raw,),
        warnings=(raw,),
        run_url=raw,
        pipeline=PipelineState(
            id=1,
            status="failed",
            sha=raw,
            ref=raw,
            duration=2.0,
            jobs=(job,),
            tests=Tests(1, 1),
            coverage=3.0,
            images=(Image(raw, 5),),
        ),
        verdict=Verdict(outcome="failed", reasons=(raw, raw)),
    )


FOLDS = ("<details>\n<summary>Evidence</summary>", "</details>")
"""The only HTML there is."""
OPENINGS = (
    *("## ", "- ", "|", "```", "  ", "flowchart", "This project", "Pipeline `", "Confidence"),
    *(
        "Each app",
        "The picture",
        *FOLDS[0].split("\n"),
        FOLDS[1],
        "A file `.dev",
        "An advisory",
        "And ",
        "It comes from",
        "Under **Settings",
    ),
)
MEANING = re.compile(r"(?:^|\s)/\w|[@<>\\[\]|]|[#!~&%$:]\w|https?|www\\.|skip ci", re.IGNORECASE)


def check(said: str) -> None:
    """GitLab finds nothing to act upon, and every line is still what this program wrote."""
    assert unsafe_lines(said) == []
    assert not [c for c in CONTROLS if c in said]
    assert not [line for line in said.split("\n") if line and not line.startswith(OPENINGS)]
    for token in MARKDOWN.parse(said):
        assert token.type in BLOCKS or token.content.strip() in FOLDS, token
        assert token.type != "fence" or token.info == "mermaid"
        for inline in token.children or ():
            assert inline.type in ("text", "code_inline", "strong_open", "strong_close"), inline
            assert inline.type != "text" or not MEANING.search(inline.content), inline


@pytest.mark.parametrize("raw", ATTACKS, ids=lambda raw: repr(raw[:20]))
def test_attacks_stay_text(raw: str) -> None:
    """Quick actions, mentions, references, HTML, links, tables, hidden characters: all inert."""
    story = hostile(raw)
    check(text(story))
    assert story.pipeline is not None
    assert story.verdict is not None
    comment = note(story.pipeline, story.verdict)
    assert unsafe_lines(comment) == []
    assert re.fullmatch(r"[A-Za-z0-9 _.+(),-]+", title(story.analysis))


PIECES = st.lists(
    st.sampled_from([*ATTACKS, "\n", " ", "`", "``", "|", "\\", "/", "@", "<", "word", "Closes"])
    | st.text(max_size=8),
    max_size=12,
).map("".join)


@given(raw=PIECES)
def test_no_string_gets_out_of_its_span(raw: str) -> None:
    """Any mixture of them, in any place."""
    check(text(hostile(raw)))


@given(raw=PIECES)
def test_a_span_holds_the_text_and_nothing_but_a_span(raw: str) -> None:
    """One line; its fence is longer than any run of backticks inside."""
    span = code(raw)
    assert "\n" not in span
    if span != "—":
        fence = re.match(r"`+", span)
        assert fence is not None
        inner = span[len(fence[0]) : -len(fence[0])]
        assert span == f"{fence[0]}{inner}{fence[0]}"
        assert fence[0] not in inner
        assert inner.strip() == plain(raw).replace("|", "¦")


@given(raw=PIECES)
def test_prose_is_plain_words_outside_its_spans(raw: str) -> None:
    """What is not in a span is letters, digits and the marks of a sentence."""
    outside = re.sub(r"(?<!`)(`+)(?!`)(?:.*?[^`])?\1(?!`)", "", prose(raw))
    assert re.fullmatch(r"[A-Za-z0-9 ,;:?!.()'—-]*", outside)


def test_what_starts_a_link_is_code() -> None:
    """GitLab makes a link of `www.` and what follows it."""
    assert prose("See WWW. or www`.") == "See `WWW.` or `www`."


def test_prose_keeps_sentences_readable() -> None:
    """Words stay words; only what could mean something to GitLab becomes code."""
    assert prose("It runs `npm test` (twice), see http://x/y; done.") == (
        "It runs `npm test` (twice), see `http://x/y;` done."
    )
    assert prose("No Dockerfile: the repository does not tell its `port`.") == (
        "No Dockerfile: the repository does not tell its `port`."
    )


def test_labels_hold_no_syntax() -> None:
    """Titles and diagrams take letters, digits and a few marks."""
    assert label('x"] --> y[z') == "x -- y z"
    assert len(label("a" * 500)) == 40


def test_a_flood_is_cut_to_a_readable_text() -> None:
    """However much was found, the text stays bounded and whole."""
    many = tuple(Evidence(f"claim {n} " + "x" * 500, "f" * 500, n) for n in range(5000))
    story = msgspec.structs.replace(
        STORY,
        analysis=msgspec.structs.replace(ANALYSIS, evidence=many, questions=("q" * 999,) * 500),
        notes=("n" * 999,) * 500,
        variables=tuple(Variable(f"V{n}", "w" * 900, ("j" * 300,) * 50) for n in range(300)),
        steps=tuple(Step(f"job-{n}", "test") for n in range(3000)),
    )
    said = text(story)
    assert len(said) <= MAX_TEXT
    check(said)
    assert "close this merge request" in said
