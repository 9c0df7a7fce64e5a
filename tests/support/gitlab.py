"""Runs the sandbox in a thread of the test, on a free port, and hands out its client."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import msgspec

from service.sandbox.client import SandboxClient
from service.sandbox.core import Sandbox, SandboxOptions
from service.sandbox.server import listen, server_for

START_S = 10.0
STOP_S = 10.0


class RunningSandbox(msgspec.Struct):
    """A sandbox that answers at `url`. `token` is the bot's, `client` scripts the instance."""

    url: str
    token: str
    admin_token: str
    client: SandboxClient


@contextlib.contextmanager
def running_sandbox(options: SandboxOptions | None = None) -> Iterator[RunningSandbox]:
    """A sandbox for the length of a `with`; pipelines take a fifth of a second unless said."""
    wanted = options or SandboxOptions(pipeline_seconds=0.2)
    sock, wanted = listen(wanted)
    sandbox = Sandbox(wanted)
    server = server_for(sandbox)
    started = threading.Event()

    async def serve() -> None:
        running = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started and not running.done():
            await asyncio.sleep(0.005)
        started.set()
        await running

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="sandbox", daemon=True)
    thread.start()
    try:
        if not started.wait(START_S) or not server.started:
            raise RuntimeError(f"the sandbox did not start within {START_S:g} s")
        with SandboxClient(sandbox.forge.url, sandbox.admin_token) as client:
            yield RunningSandbox(sandbox.forge.url, sandbox.token, sandbox.admin_token, client)
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        sock.close()
    if thread.is_alive():
        raise RuntimeError(f"the sandbox did not stop within {STOP_S:g} s")
