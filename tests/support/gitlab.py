"""A sandbox GitLab of one's own, in a process of its own, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from service.sandbox.client import SandboxClient
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
