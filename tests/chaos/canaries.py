"""Secrets and repository text, planted before a trial and looked for afterwards, everywhere."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import redis

from service.sandbox.journal import Entry
from tests.chaos.rig import Rig
from tests.chaos.tokens import API_TOKEN, CALLER_TOKEN, SECRET, STRANGER_TOKEN
from tests.support.gitlab import BOT_TOKEN

TEXT = "CANARY-TEXT-OF-A-REPOSITORY"
FILES: Mapping[str, str] = {
    "NOTES.md": f"# Notes\n\n{TEXT}: nobody but this project's people may read it.\n",
    "docs/guide.txt": f"{TEXT}\n",
    ".env.example": f"PASSWORD={TEXT}\n",
}
"""What no plan needs to know of a repository."""
SECRETS = {
    "the bot's token": BOT_TOKEN, "the webhook secret": SECRET, "an API token": API_TOKEN,
    "a caller's token": CALLER_TOKEN, "a stranger's token": STRANGER_TOKEN,
}  # fmt: skip
WORDS = SECRETS | {"repository text": TEXT}


def everywhere(tried: Rig) -> list[str]:
    """Where a canary came out; empty is good. Needs the running program."""
    found = in_files(tried.program.folder)
    with tried.program.redis() as client:
        found += in_redis(client)
    found += in_journal(tried.entries(), tried.program.url)
    for page in ("/metrics", "/health", "/openapi.json"):
        text = httpx.get(tried.program.url + page, timeout=20, trust_env=False).content
        found += in_text(page, text)
    return found


def in_text(where: str, text: bytes, words: Mapping[str, str] = WORDS) -> list[str]:
    """Which words stand in a text, plain or in what zlib packed."""
    plain = text
    if text[:1] == b"\x78":
        try:
            plain = zlib.decompress(text)
        except zlib.error:  # begins like it, and is none
            plain = text
    return [f"{what} is in {where}" for what, word in words.items() if word.encode() in plain]


def in_files(folder: Path) -> list[str]:
    """Files of the stores and logs."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_socket()]
    return [line for path in files for line in in_text(str(path), path.read_bytes())]


def in_redis(client: redis.Redis) -> list[str]:
    """Names and values of all keys: the file on disk may have packed them."""
    found = []
    for name in client.scan_iter("*", count=1000):
        for value in [name, *_values(client, name)]:
            found += in_text(f"redis {name!r}", value)
    return found


def _values(client: Any, name: bytes) -> Iterator[bytes]:
    kind = client.type(name)
    if kind == b"string":
        yield client.get(name) or b""
    elif kind == b"hash":
        yield from _flat(client.hgetall(name).items())
    elif kind == b"list":
        yield from client.lrange(name, 0, -1)
    elif kind == b"set":
        yield from client.smembers(name)
    elif kind == b"zset":
        yield from client.zrange(name, 0, -1)
    elif kind == b"stream":
        for _, fields in client.xrange(name):
            yield from _flat(fields.items())


def _flat(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for pair in pairs:
        yield from pair


def in_journal(entries: Iterable[Entry], ours: str) -> list[str]:
    """Commits, merge requests, comments, questions to the linter: all that was sent to GitLab.

    The secret goes into the hooks that we install, and those point at us.
    """
    found = []
    for entry in entries:
        body = msgspec.json.encode(entry.body)
        words = dict(WORDS)
        if "/hooks" in entry.path:
            del words["the webhook secret"]
            address = entry.body.get("url") if isinstance(entry.body, dict) else None
            if address is not None and not str(address).startswith(f"{ours}/"):
                found.append(f"a hook to {address}")
        where = f"{entry.method} {entry.path}"
        found += in_text(where, body + entry.query.encode() + entry.path.encode(), words)
    return found
