"""The model's client against Ollama's ways of failing, over HTTP."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import ollama
import pytest

from tests.support.ollama import Mode, OllamaDouble
from workers.clients.ollama import PROMPT_BYTES, Answer, Model, _complete
from workers.errors import BackendError, Rejected, Retryable
from workers.settings import MODEL_WINDOW

# Python 3.12 warns of a fork beside threads; the child here asks one question and ends.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

NAME = "qwen2.5-coder:1.5b"
PATIENT_S = 20.0
SHORT_S = 0.6
SLOTS = {"test": ("pytest", "tox -e py"), "version": ("3.12", "3.11")}


@pytest.fixture
def double() -> Iterator[OllamaDouble]:
    """A running double; a reply that nobody asked for fails the test."""
    with OllamaDouble() as server:
        yield server
        assert not server.replies


def _ask(model: Model) -> Answer:
    return model.choose("You choose.", "facts: pytest\n" * 9, SLOTS)


def test_a_complete_answer_within_the_offer_is_taken(double: OllamaDouble) -> None:
    """One value for each slot; what it says beyond the slots is dropped."""
    double.replies.append({"test": "tox -e py", "version": "3.11", "script": "rm -rf /"})
    answer = _ask(Model(double.url, NAME, PATIENT_S))
    assert answer.values == {"test": "tox -e py", "version": "3.11"}
    assert answer.tokens == 42
    assert 0 < answer.seconds < PATIENT_S


def test_what_is_asked(double: OllamaDouble) -> None:
    """Enums for the slots, one window for every call, a bounded answer, no thinking aloud."""
    model = Model(double.url, NAME, PATIENT_S)
    model.preload()
    _ask(model)
    (asked,) = double.questions
    assert asked["format"] == {
        "type": "object",
        "properties": {
            "test": {"type": "string", "enum": ["pytest", "tox -e py"]},
            "version": {"type": "string", "enum": ["3.12", "3.11"]},
        },
        "required": ["test", "version"],
        "additionalProperties": False,
    }
    assert asked["options"]["num_ctx"] == MODEL_WINDOW == double.preloads[0]["options"]["num_ctx"]
    assert 0 < asked["options"]["num_predict"] < 1000
    assert asked["options"]["temperature"] == 0
    assert asked["think"] is False
    assert double.prompts == ["You choose.\n" + "facts: pytest\n" * 9]


@pytest.mark.parametrize(
    ("mode", "kind", "says"),
    [
        ("garbage", Retryable, "broke its protocol"),
        ("shape", Retryable, "broke its protocol"),
        ("503", Retryable, "server busy"),
        ("500", Retryable, "500"),
        ("cut", Rejected, "broke off"),
        ("length", Rejected, "was cut"),
        ("overflow", Rejected, "window cut"),
        ("fenced", Rejected, "no JSON"),
        ("obeys_the_attacker", Rejected, "none of the values found"),
        ("404", Rejected, f"ollama pull {NAME}"),
    ],
)
def test_every_wrong_answer_is_one_of_our_errors(
    double: OllamaDouble, mode: Mode, kind: type[BackendError], says: str
) -> None:
    """Named by what to do next, with a cause a person understands, without the model's words."""
    double.mode = mode
    with pytest.raises(kind, match=says) as caught:
        _ask(Model(double.url, NAME, PATIENT_S))
    assert double.attack not in str(caught.value)


@pytest.mark.parametrize(
    ("read", "size", "cut"),
    [
        (0, 20_000, False), (3, 1_000, True), (26, 1_000, False), (300, 1_000, False),
        (26, 20_000, False), (1_000, 20_000, True), (2_000, 20_000, False),
        (MODEL_WINDOW, 20_000, True),
    ],
)  # fmt: skip
def test_a_count_that_no_window_explains_is_of_a_cache(read: int, size: int, cut: bool) -> None:
    """Some servers count only what they read anew; a window cuts to hundreds at the least."""
    last = ollama.ChatResponse(
        message=ollama.Message(role="assistant"), done=True, done_reason="stop",
        prompt_eval_count=read,
    )  # fmt: skip
    with pytest.raises(Rejected, match="window cut") if cut else contextlib.nullcontext():
        _complete(last, size)


@pytest.mark.parametrize("mode", ["hang", "drip", "endless", "line"])
def test_the_deadline_holds_for_the_whole_call(double: OllamaDouble, mode: Mode) -> None:
    """Silence, a byte now and then, and text without end are all cut at the time-out."""
    double.mode = mode
    started = time.monotonic()
    with pytest.raises(Retryable, match="did not answer within"):
        _ask(Model(double.url, NAME, SHORT_S))
    assert time.monotonic() - started < SHORT_S + 1


def test_less_time_may_be_given_but_not_more(double: OllamaDouble) -> None:
    """A dry run cannot wait as long as a run."""
    double.mode = "hang"
    started = time.monotonic()
    with pytest.raises(Retryable, match="did not answer within"):
        _ask(Model(double.url, NAME, 60.0).at_most(SHORT_S))
    with pytest.raises(Retryable, match="did not answer within"):
        _ask(Model(double.url, NAME, SHORT_S).at_most(60.0))
    assert time.monotonic() - started < 2 * (SHORT_S + 1)


@pytest.mark.parametrize("mode", ["drip", "endless", "line"])
def test_a_call_given_up_ends_at_the_server_too(double: OllamaDouble, mode: Mode) -> None:
    """The connection is closed, so that the model does not write on for nobody."""
    double.mode = mode
    with pytest.raises(Retryable):
        _ask(Model(double.url, NAME, SHORT_S))
    deadline = time.monotonic() + 5
    while double.now_at_once and time.monotonic() < deadline:
        time.sleep(0.02)
    assert double.now_at_once == 0


@pytest.mark.parametrize(
    "reply",
    [
        '{"test": "pytest"}',
        '{"test": "pytest", "version": "3.13"}',
        '{"test": "pytest", "version": 3.12}',
        '{"test": ["pytest"], "version": "3.12"}',
        '{"test": "pytest\\n", "version": "3.12"}',
        '{"test": {"pytest": 1}, "version": null}',
        '["pytest", "3.12"]',
        '"pytest"',
        "null",
        "",
        "[" * 20_000,
        '{"test": "pytest", "version": "3.12"',
        '{"test": "pytest", "version": "3.12"} and more',
    ],
)
def test_form_is_not_trusted(double: OllamaDouble, reply: str) -> None:
    """Builds that ignore the schema answer anything: only offered strings for all slots count."""
    double.replies.append(reply)
    with pytest.raises(Rejected, match=r"^The model's answer"):
        _ask(Model(double.url, NAME, PATIENT_S))


def test_a_server_that_is_away_is_left_alone_after_three_failures() -> None:
    """Retryable at once; then not even asked for 30 s."""
    model = Model("http://127.0.0.1:1", NAME, PATIENT_S)
    for _ in range(3):
        with pytest.raises(Retryable, match="is not reachable"):
            _ask(model)
    with pytest.raises(Retryable, match="left alone") as caught:
        _ask(model)
    assert 0 < caught.value.after <= 30


def test_wrong_answers_do_not_close_the_way_to_a_working_server(double: OllamaDouble) -> None:
    """What the model gets wrong is no fault of the server: the next question is asked."""
    double.mode = "fenced"
    model = Model(double.url, NAME, PATIENT_S)
    for _ in range(4):
        with pytest.raises(Rejected):
            _ask(model)
    double.mode = "ok"
    assert _ask(model).values == {"test": "pytest", "version": "3.12"}


def test_one_call_at_a_time(double: OllamaDouble) -> None:
    """Threads and processes of this machine take turns; all are answered."""
    double.delay_s = 0.1
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_ask(Model(double.url, NAME, PATIENT_S))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    child = os.fork()
    if child == 0:
        _ask(Model(double.url, NAME, PATIENT_S))
        os._exit(0)
    for thread in threads:
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(answers) == 3
    assert len(double.questions) == 4
    assert double.most_at_once == 1


def test_waiting_for_a_turn_counts_against_the_deadline(double: OllamaDouble) -> None:
    """While another run holds the model, ours gives up in time and says that it is busy."""
    double.delay_s = 3 * SHORT_S
    first = threading.Thread(target=lambda: _ask(Model(double.url, NAME, PATIENT_S)))
    first.start()
    while not double.questions:
        time.sleep(0.01)
    started = time.monotonic()
    with pytest.raises(Retryable, match="is busy"):
        _ask(Model(double.url, NAME, SHORT_S))
    assert time.monotonic() - started < SHORT_S + 1
    first.join()


def test_a_prompt_that_does_not_fit_is_not_sent(double: OllamaDouble) -> None:
    """Too large a prompt would lose its front, the instructions, without a word."""
    with pytest.raises(Rejected, match="fit the model's window"):
        Model(double.url, NAME, PATIENT_S).choose("s", "ä" * (PROMPT_BYTES // 2), SLOTS)
    assert double.questions == []


def test_the_state_says_what_to_do(double: OllamaDouble) -> None:
    """There; without the model (with the command that gets it); away."""
    assert Model(double.url, NAME, PATIENT_S).state().ok
    missing = Model(double.url, "nope", PATIENT_S).state()
    assert not missing.ok
    assert "ollama pull nope" in missing.detail
    double.models.append("short:latest")
    assert Model(double.url, "short", PATIENT_S).state().ok
    away = Model("http://127.0.0.1:1", NAME, PATIENT_S).state()
    assert not away.ok
    assert "not reachable" in away.detail


def test_preloading_an_unknown_model_says_so(double: OllamaDouble) -> None:
    """Rejected with the command that gets it; nothing is generated."""
    with pytest.raises(Rejected, match="ollama pull nope"):
        Model(double.url, "nope", PATIENT_S).preload()


def test_redirects_are_not_followed(double: OllamaDouble) -> None:
    """A server that points elsewhere is refused: facts of a repository go to one host only."""
    double.mode = "redirect"
    with pytest.raises(Retryable):
        _ask(Model(double.url, NAME, PATIENT_S))
    assert len(double.questions) == 1
