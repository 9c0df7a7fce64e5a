"""Every request to the sandbox's GitLab, one JSON object a line: the oracle of the tests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec


class Entry(msgspec.Struct, omit_defaults=True):
    """One request. `status` 0 means that the client was given no complete answer."""

    seq: int
    at: float
    """Unix seconds."""
    method: str
    path: str
    query: str = ""
    status: int = 0
    user: str | None = None
    token_sha256: str | None = None
    body: Any = None
    """JSON of a write, else its text; absent for reads."""
    fault: str | None = None
    violations: list[str] = msgspec.field(default_factory=list)
    """What an attacker would have gained: quick actions that were executed, and the like."""
    ms: float = 0.0


class Journal:
    """Entries in memory and, with a file, on disk: flushed and synced before the next request."""

    def __init__(self, path: Path | None) -> None:
        self.entries: list[Entry] = []
        self.path = path
        self.count = 0
        self.file: BinaryIO | None = path.open("ab") if path else None

    def next(self) -> int:
        """The next request's number, from 1, never reused."""
        self.count += 1
        return self.count

    def add(self, entry: Entry) -> None:
        """Keeps an entry; it is on the disk when this returns."""
        self.entries.append(entry)
        if self.file is not None:
            self.file.write(msgspec.json.encode(entry) + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    def reset(self) -> None:
        """Forgets all entries, on disk too."""
        self.entries.clear()
        if self.file is not None:
            self.file.truncate(0)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def fingerprint(token: str | None) -> str | None:
    """SHA-256 of a token, so that the journal never holds one."""
    return hashlib.sha256(token.encode()).hexdigest() if token else None
