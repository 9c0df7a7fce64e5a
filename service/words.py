"""The local model's words, as they come and made safe to show.

Straight to Ollama's own HTTP interface (`POST /api/chat`, Ollama docs) by httpx: its Python client
stays in the workers, so that this process neither imports a model client nor has two ways to time
out. What the model says loses its links before anybody sees it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import httpx
import msgspec

from service.problems import Problem
from workers.settings import MODEL_WINDOW, Settings

ANSWER_TOKENS = 700
ANSWER_MAX = 1_048_576
"""Bytes: each token is a line of about 100."""
WORD_MAX = 200


async def say(
    http: httpx.AsyncClient, settings: Settings, messages: list[dict[str, str]]
) -> AsyncGenerator[str, None]:
    """The model's words, made safe. Raises Problem 503 before the first where there is no model.

    The whole answer has `ollama_timeout_s`; what comes later is cut off.
    """
    question = {
        "model": settings.ollama_model, "messages": messages, "stream": True,
        "options": {"temperature": 0, "num_ctx": MODEL_WINDOW, "num_predict": ANSWER_TOKENS},
    }  # fmt: skip
    deadline = asyncio.get_running_loop().time() + settings.ollama_timeout_s
    timeout = httpx.Timeout(settings.ollama_timeout_s, connect=3)
    url = f"{settings.ollama_host}/api/chat"
    try:
        async with http.stream("POST", url, json=question, timeout=timeout) as got:
            if got.status_code != 200:
                raise _no_model(settings, got.status_code)
            async with aclosing(_words(got, deadline)) as words:
                async for word in words:
                    yield word
    except (httpx.HTTPError, TimeoutError) as error:
        raise Problem(
            503, f"the model does not answer ({type(error).__name__})", {"Retry-After": "30"}
        ) from None


def _no_model(settings: Settings, status: int) -> Problem:
    if status == 404:
        detail = f"the model {settings.ollama_model} is not there: ollama pull it"
    else:
        detail = f"Ollama answered {status}"
    return Problem(503, detail, {"Retry-After": "60"})


class _Chunk(msgspec.Struct):
    message: _Said | None = None
    done: bool = False


class _Said(msgspec.Struct):
    content: str = ""


async def _words(got: httpx.Response, deadline: float) -> AsyncGenerator[str, None]:
    """Whole words of the answer, cleaned: what a link is made of is never split."""
    held = ""
    async for line in _lines(got, deadline):
        try:
            chunk = msgspec.json.decode(line, type=_Chunk)
        except msgspec.DecodeError:
            raise httpx.DecodingError("no JSON") from None
        held += chunk.message.content if chunk.message else ""
        cut = max(held.rfind(" "), held.rfind("\n")) + 1
        if cut:
            yield clean(held[:cut])
        # Nothing of use is a longer word than this; what is cut off cannot become a link.
        held = held[cut:][:WORD_MAX]
        if chunk.done:
            break
    if held:
        yield clean(held)


async def _lines(got: httpx.Response, deadline: float) -> AsyncIterator[bytes]:
    """The answer's lines. Raises TimeoutError at the deadline, DecodingError without an end."""
    held, total = b"", 0
    chunks = got.aiter_bytes()
    while total <= ANSWER_MAX:
        async with asyncio.timeout_at(deadline):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        total += len(chunk)
        *whole, held = (held + chunk).split(b"\n")
        for line in filter(None, whole):
            yield line
    raise httpx.DecodingError("the answer does not end")


_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,30}:)?//\S*|\bwww\.\S*|\b(?:javascript|data|vbscript|mailto):\S*",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """`text` without addresses, Markdown links and images, and HTML's angle brackets."""
    text = _LINK.sub("(address removed)", text)
    return text.replace("](", "] (").replace("![", "[").replace("<", "‹").replace(">", "›")
