"""Ollama: a model that picks one of the values it is offered, within a deadline, or says why not.

What it is sent fits its window whatever the tokenizer, since a token is at least one byte; what
it may answer is an enum per slot, and an answer counts only when it is complete and in them.
Facts about the server: https://docs.ollama.com/api (chat, structured outputs).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeVar

import httpx
import msgspec
import ollama

from workers.clients.guard import Breaker, DeadlinePassed, State, within
from workers.clients.turn import turn
from workers.errors import Rejected, Retryable
from workers.settings import MODEL_WINDOW

PROMPT_BYTES = 7168
"""System text and prompt together: the window less the answer and the model's own template."""
PREDICT_MAX = 640
"""Tokens of an answer, at most."""
BYTES_PER_TOKEN_MAX = 16
"""Text of facts has 3 to 5 bytes a token; above this the server cannot have read all of it."""
CACHED = range(8, 512)
"""Counts of a server that tells only the tokens it had not cached: no window is as small, and a
chat's own marks alone are more than the least of them."""
KEEP_ALIVE = "30m"
PRELOAD_S = 300.0
LOOK_S = 2.0

T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True):
    """One value for each slot that was asked; `tokens` written in `seconds`, waiting included."""

    values: Mapping[str, str]
    seconds: float
    tokens: int


class Model:
    """The model `name` on the server at `host`. A call, cold load included, takes `timeout_s`.

    One call at a time from this machine: Ollama works them off one by one anyway, and a queue on
    its side would eat the deadlines unseen. After three failures in a row it is left alone for
    30 s. Nothing is asked before the first call.
    """

    def __init__(self, host: str, name: str, timeout_s: float) -> None:
        self.host = host
        self.name = name
        self._timeout_s = timeout_s
        self._breaker = Breaker(f"Ollama at {host}")

    def choose(self, system: str, prompt: str, slots: Mapping[str, Sequence[str]]) -> Answer:
        """One of the offered values for each slot.

        Raises Retryable where the server is away, busy, slow or breaks off, and Rejected where
        the model is missing, the prompt too large, or the answer is not one of the offered.
        """
        size = len(system.encode()) + len(prompt.encode())
        if size > PROMPT_BYTES:
            raise Rejected(f"The prompt has {size} bytes, {PROMPT_BYTES} fit the model's window")
        started = time.monotonic()
        limit = _answer_limit(slots)
        text, last = self._guarded(
            self._timeout_s,
            lambda client, deadline: _chat(
                client,
                deadline,
                model=self.name,
                messages=[
                    {"role": "system", "content": system},
                    {"role": "user", "content": prompt},
                ],
                format=_schema(slots),
                options={
                    "num_ctx": MODEL_WINDOW,
                    "num_predict": limit,
                    "temperature": 0,
                    "seed": 0,
                },
                think=False,
                keep_alive=KEEP_ALIVE,
            ),
        )
        _complete(last, size)
        values = _values(text, slots)
        return Answer(values, time.monotonic() - started, last.eval_count or 0)

    def after(self, seconds: float) -> Model | None:
        """The same server with so much less time for a call; None where none is left."""
        if seconds >= self._timeout_s:
            return None
        left = copy(self)
        left._timeout_s = self._timeout_s - seconds
        return left

    def at_most(self, seconds: float) -> Model:
        """The same server with no more time for a call than that."""
        return self.after(max(0.0, self._timeout_s - seconds)) or self

    def preload(self) -> None:
        """Load the model, so that the first run does not pay for it. Raises as `choose` does."""
        self._guarded(
            PRELOAD_S,
            lambda client, _: client.generate(
                self.name, prompt="", options={"num_ctx": MODEL_WINDOW}, keep_alive=KEEP_ALIVE
            ),
        )

    def state(self) -> State:
        """Whether the server answers and has the model, with the fix where not; raises nothing."""
        started = time.monotonic()
        try:
            names = self._call(LOOK_S, lambda client, _: [m.model for m in client.list().models])
        except (Retryable, Rejected) as error:
            return State(False, str(error), time.monotonic() - started)
        known = self.name in names or f"{self.name}:latest" in names
        detail = self.name if known else self._missing()
        return State(known, detail, time.monotonic() - started)

    def _guarded(self, seconds: float, call: Callable[[ollama.Client, float], T]) -> T:
        """`call`, when it is our turn, within `seconds` in all; the breaker counts how it goes."""
        self._breaker.check()
        deadline = time.monotonic() + seconds
        try:
            with turn(f"Ollama at {self.host}", deadline):
                result = self._call(deadline - time.monotonic(), call)
        except Retryable:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return result

    def _call(self, seconds: float, call: Callable[[ollama.Client, float], T]) -> T:
        """`call` with a client and its deadline; the library's errors become ours."""
        deadline = time.monotonic() + seconds
        # A transport of our own: proxies of the environment do not reach a private network.
        client = ollama.Client(
            self.host, timeout=seconds, follow_redirects=False, transport=httpx.HTTPTransport()
        )
        where = f"Ollama at {self.host}"
        try:
            return within(seconds, lambda: call(client, deadline))
        except (DeadlinePassed, httpx.TimeoutException):
            raise Retryable(f"{where} did not answer within {seconds:.0f} s") from None
        except ollama.ResponseError as error:
            raise self._refusal(error) from None
        except (ConnectionError, httpx.HTTPError) as error:
            raise Retryable(f"{where} is not reachable ({type(error).__name__})") from None
        # Bytes that are no JSON, JSON that is no object, an object of another shape.
        except (ValueError, TypeError, AttributeError) as error:
            raise Retryable(f"{where} broke its protocol ({type(error).__name__})") from None
        finally:
            client.close()  # type: ignore[no-untyped-call]  # ends an answer that was given up

    def _refusal(self, error: ollama.ResponseError) -> Retryable | Rejected:
        if error.status_code == 404:
            return Rejected(self._missing(), 404)
        if error.status_code in (408, 429) or not 400 <= error.status_code < 500:
            return Retryable(f"Ollama at {self.host}: {error}"[:200])
        return Rejected(f"Ollama at {self.host}: {error}"[:200], error.status_code)

    def _missing(self) -> str:
        return f"Ollama at {self.host} has no model {self.name}; `ollama pull {self.name}` gets it"


def _chat(client: ollama.Client, deadline: float, **request: Any) -> tuple[str, Any]:
    """The whole text of an answer, and its last part with the counts.

    Streamed, so that an answer is dropped (and the model stops) once the deadline has passed.
    """
    text, last = [], None
    for last in client.chat(stream=True, **request):
        text.append(last.message.content or "")
        if time.monotonic() > deadline:
            raise DeadlinePassed
    return "".join(text), last


def _complete(last: Any, size: int) -> None:
    """Raises Rejected unless the answer ended by itself after the whole prompt was read.

    HTTP 200 says neither: a cut answer has `done` false or `done_reason` other than `stop`, and a
    prompt too large for the window loses its front without a word.
    """
    if last is None or not last.done:
        raise Rejected("The model's answer broke off")
    if last.done_reason != "stop":
        raise Rejected(f"The model's answer was cut ({last.done_reason or 'no reason given'})")
    read = last.prompt_eval_count or 0
    few = read * BYTES_PER_TOKEN_MAX < size and read not in CACHED
    if read and (few or read >= MODEL_WINDOW):
        raise Rejected(
            f"The model read {read} tokens of a prompt of {size} bytes: its window cut it"
        )


def _values(text: str, slots: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The answer's value for each slot. What it says is not repeated: it may be anything."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise Rejected("The model's answer is no JSON") from None
    if not isinstance(answer, dict):
        raise Rejected("The model's answer is no JSON object")
    for slot, offered in slots.items():
        if answer.get(slot) not in offered:
            raise Rejected(f"The model's answer for {slot} is none of the values found")
    return {slot: answer[slot] for slot in slots}


def _schema(slots: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    properties = {
        slot: {"type": "string", "enum": list(offered)} for slot, offered in slots.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(slots),
        "additionalProperties": False,
    }


def _answer_limit(slots: Mapping[str, Sequence[str]]) -> int:
    """Tokens that the longest right answer can take: one a byte, and room for blanks."""
    longest = {slot: max(offered, key=len) for slot, offered in slots.items()}
    return min(PREDICT_MAX, 2 * len(json.dumps(longest, indent=2).encode()))
