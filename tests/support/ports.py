"""A port at which nobody answers, for as long as a test needs that."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that is taken and refuses: no other process can begin to listen."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
