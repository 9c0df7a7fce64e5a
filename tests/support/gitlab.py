"""A sandbox GitLab of one's own over real HTTP, in a process or a thread of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec

from service.sandbox.client import SandboxClient
from service.sandbox.core import Sandbox, SandboxOptions
from service.sandbox.server import listen, server_for
from workers.clients.gitlab import GitLab

BOT_TOKEN = "glpat-CANARY0123456789abcd"
"""Nothing but an Authorization header may ever hold it."""


class Instance(msgspec.Struct, frozen=True):
    """A running sandbox: its address, the bot's client, and the hands behind the scenes."""

    url: str
    admin_token: str
    gitlab: GitLab
    control: SandboxClient

    def routes(self) -> list[str]:
        """`METHOD path` of every call so far, without `/api/v4`."""
        return [
            f"{call.method} {call.path.removeprefix('/api/v4')}" for call in self.control.calls()
        ]


@contextmanager
def sandbox(pipeline_seconds: float = 0.2) -> Iterator[Instance]:
    """Starts one on a free port, and stops it."""
    command = [sys.executable, "-m", "service.sandbox", "--port", "0", "--token", BOT_TOKEN]
    command += ["--pipeline-seconds", str(pipeline_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            control = SandboxClient(ready["url"], ready["admin_token"])
            with control, GitLab(ready["url"], ready["token"], timeout=5.0) as gitlab:
                yield Instance(ready["url"], ready["admin_token"], gitlab, control)
        finally:
            process.terminate()
            process.wait(10)


def quiet(instance: Instance) -> Instance:
    """Without faults and calls of an earlier test, switches as they were at the start."""
    instance.control.clear_faults()
    instance.control.set_switches(
        graphql=True, graphql_single_blob=False, local_requests=True, signing_tokens=True
    )
    instance.control.forget_calls()
    return instance


START_S = STOP_S = 10.0


class RunningSandbox(msgspec.Struct):
    """A sandbox that answers at `url`. `token` is the bot's, `client` scripts the instance."""

    url: str
    token: str
    admin_token: str
    client: SandboxClient

    def api(self, token: str | None = None) -> httpx.Client:
        """A plain client of the REST API, with the bot's token unless another is given."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(
            base_url=f"{self.url}/api/v4", headers=headers, trust_env=False, timeout=10
        )

    def member(self, project: int, username: str, level: int) -> httpx.Client:
        """A client of a person with this access level in the project."""
        user = self.client.create_user(username)
        self.client.set_members(project, **{username: level})
        return self.api(user.token)


@contextmanager
def running_sandbox(options: SandboxOptions | None = None) -> Iterator[RunningSandbox]:
    """A sandbox in a thread of the test; pipelines take a fifth of a second unless said."""
    sock, wanted = listen(options or SandboxOptions(pipeline_seconds=0.2))
    instance = Sandbox(wanted)
    server = server_for(instance)
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
        with SandboxClient(instance.forge.url, instance.admin_token) as client:
            yield RunningSandbox(instance.forge.url, instance.token, instance.admin_token, client)
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        sock.close()
    if thread.is_alive():
        raise RuntimeError(f"the sandbox did not stop within {STOP_S:g} s")
