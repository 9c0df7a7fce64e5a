"""A receiver of webhooks: keeps what came, answers what it is told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tests.support.loopback import Asked, loopback

WAIT_S = 10.0


class Letter(msgspec.Struct, frozen=True):
    """One delivery as it arrived. Header names are in lower case."""

    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.raw)
        return found

    @property
    def kind(self) -> str:
        """`push`, `project_create`, `pipeline:success` …"""
        if self.body.get("object_kind") == "pipeline":
            return f"pipeline:{self.body['object_attributes']['status']}"
        return str(self.body["event_name"])


class Mailbox:
    """Letters in the order of their arrival. `status` is what the next ones are answered."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.status = 200
        self.url = ""

    def kinds(self) -> list[str]:
        return [letter.kind for letter in self.letters]

    def wait(self, kind: str, count: int = 1) -> list[Letter]:
        """The letters of a kind once there are `count`. Raises `AssertionError` at the deadline."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = [letter for letter in list(self.letters) if letter.kind == kind]
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"no {count} of {kind} within {WAIT_S:g} s, but {self.kinds()}")


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A receiver on a free loopback port."""
    box = Mailbox()

    def answer(asked: Asked) -> tuple[int, bytes]:
        box.letters.append(Letter(asked.headers, asked.body))
        return box.status, b""

    with loopback(answer) as port:
        box.url = f"http://127.0.0.1:{port}/hook"
        yield box
