"""The whole API, driven by its own document with odd values: it answers what it declares."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import redis

from service.openapi import document
from service.routes import Endpoint
from service.table import routes
from tests.support.service import API_TOKEN, CALLER_TOKEN, SECRET, Running, running_service
from tests.support.stories import Story
from workers.embedded import EmbeddedRedis

pytestmark = pytest.mark.timeout(120)
SEED = 7
ROUNDS = 80
ROUTES = [r for r in routes() if r.path != "/webhooks/gitlab"]
DOCUMENT = document(ROUTES)
WORDS = (
    "", "0", "1", "42", "-1", "9" * 30, "1e3", "0x1", "\u0661", "\u00b2", "null", "None", "a/b",
    "shop/api", "shop%2Fapi", "..", "../..", ".", "/", "//", "a//b", "%", "%00",
    "\x00", "\n", "\r\n", "🦊", "\u202e", "\ufeff", "'", '"', "<script>", "{{7*7}}", "${x}", "$(x)",
    "; ls", "|",
    "a" * 300, "a" * 5000, "1-1", "1-", "0-0", "+", "-", "(", "[", "queued", "succeeded", "QUEUED",
    "dob:run:1", "*", "?", "#", "&a=b", "true", "[]", "{}", "http://evil.example/a/b", " ", "\t",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 42, 2**53, 2**64, 1e308, [], {}, [[]], {"a": 1}, ["x"], *WORDS,
)  # fmt: skip
FIELDS = (
    "repo_url", "gitlab_token", "auto_commit", "use_template_only", "branch", "force", "project",
    "content", "messages", "surprise",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url, gitlab_token=None) as running:
        yield running


@pytest.fixture
def service(server: Running, redis_client: redis.Redis) -> Running:
    Story(redis_client).day()
    return server


def address(route: Endpoint, chance: random.Random) -> str:
    """The route's path with an odd value for each parameter, quoted or half quoted."""
    path = route.path
    for name in route.param_convertors:
        word = chance.choice(WORDS)
        raw = word.isascii() and word.isprintable() and not set(word) & set(" ?#%{}")
        shown = word if raw and chance.random() < 0.5 else quote(word, safe="")
        path = path.replace(f"{{{name}:path}}", shown).replace(f"{{{name}}}", shown)
    names = [p.name for p in route.operation.parameters if p.where == "query"] + ["surprise"]
    query = [f"{n}={quote(chance.choice(WORDS), safe='')}" for n in names if chance.random() < 0.5]
    return f"{path}?{'&'.join(query)}" if query else path


def body(service: Running, chance: random.Random) -> bytes:
    """JSON of about the right shape, or none."""
    if chance.random() < 0.15:
        return chance.choice((b"", b"{", b"\xff", b"[" * 5000, b'"\\ud800"', b"NaN", b"\x00" * 9))
    fields = {name: chance.choice(VALUES) for name in chance.sample(FIELDS, chance.randrange(5))}
    if chance.random() < 0.4:
        fields["repo_url"] = f"{service.settings.gitlab_url}/shop/api"
    if chance.random() < 0.3:
        fields["messages"] = [{"role": "user", "content": chance.choice(VALUES)}]
    if chance.random() < 0.3:
        fields["gitlab_token"] = CALLER_TOKEN
    return json.dumps(fields).encode()


def headers(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """With the token nine times of ten; odd in what else they say."""
    made = {"Content-Type": b"application/json"}
    if chance.random() < 0.9:
        made["Authorization"] = f"Bearer {API_TOKEN}".encode()
    odd = {
        "Prefer": (b"wait=0", b"wait=", b"wait=x", b"wait=-1", b"\xff", b"wait=\xb2"),
        "Last-Event-ID": (b"", b"0", b"x", b"1-1", b"9" * 50, b"\xff", b"999999999999999999999-0"),
        "Accept": (b"", b"application/json", b"\xff", b"text/event-stream"),
        "Content-Type": (b"application/json; charset=utf-16", b"text/plain", b"\xff", b"a/b+json"),
    }
    for name, values in odd.items():
        if chance.random() < 0.3:
            made[name] = chance.choice(values)
    return [(name.encode(), value) for name, value in made.items()]


def declared(path: str, method: str) -> dict[str, Any]:
    operations: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return operations


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_answers_are_the_declared_ones(
    service: Running, redis_client: redis.Redis, route: Endpoint,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Status and media type stand in the document; no unforeseen error, no token in an answer."""
    chance = random.Random(f"{SEED} {route.method} {route.path}")
    path = route.path.replace(":path", "")
    answers = declared(path, route.method)["responses"]
    for _ in range(ROUNDS):
        target = address(route, chance)
        if route.path.endswith(("/analyze", "/generate", "/validate")):
            sent = chance.choice((b"{}", b"[]", b'{"content":3}', b'{"repo_url":"http://x"}'))
        else:
            sent = body(service, chance)
        got = service.http.request(
            route.method, target, headers=headers(chance), content=sent if sent else None
        )
        redis_client.delete("dob:lockout:gitlab:127.0.0.1")
        where = (route.method, target[:200], sent[:200], got.status_code, got.text[:200])
        assert SECRET not in got.text and API_TOKEN not in got.text and CALLER_TOKEN not in got.text
        if got.status_code == 404 and "nothing at this address" in got.text:
            continue  # the odd value led to no route, or
        if got.url.path != target.partition("?")[0] and got.status_code in (200, 405):
            continue  # httpx took `..` as what it means
        assert str(got.status_code) in answers, where
        if got.status_code >= 400:
            assert got.headers["content-type"] == "application/problem+json", where
            assert set(got.json()) >= {"type", "title", "status", "detail"}, where
    assert "Traceback" not in "".join(capfd.readouterr())
