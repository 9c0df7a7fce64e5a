"""The receiver's socket, which the supervisor holds."""

from __future__ import annotations

import socket

import pytest

from service.stack import listen
from workers.errors import Misconfigured


def test_a_port_in_use_is_told_at_the_start_with_its_variable() -> None:
    """One line that names DEVOPS_BACKEND_URL, instead of a receiver that dies again and again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"^DEVOPS_BACKEND_URL: .*{port} is not"):
            listen("127.0.0.1", port)


def test_it_listens_at_once() -> None:
    """A caller is connected before any receiver runs; nothing is answered yet."""
    with (
        listen("127.0.0.1", 0) as held,
        socket.create_connection(held.getsockname(), timeout=2) as caller,
    ):
        caller.settimeout(0.1)
        with pytest.raises(TimeoutError):
            caller.recv(1)
