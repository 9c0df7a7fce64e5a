"""`python -m service.sandbox`: one sandbox in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from service.sandbox.core import Sandbox, SandboxOptions
from service.sandbox.server import listen, server_for


def options_from(arguments: list[str]) -> SandboxOptions:
    """Command line to options. Exits 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m service.sandbox",
        description="A small GitLab for demo and tests. What it runs is simulated.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8929, help="0 takes a free one")
    parser.add_argument("--token", help="the bot's token; made up if absent")
    parser.add_argument("--admin-token", help="the administrator's token; made up if absent")
    parser.add_argument("--journal", type=Path, help="JSON lines of every request")
    parser.add_argument("--pipeline-seconds", type=float, default=1.0)
    parser.add_argument("--system-hook", metavar="URL", help="register this system hook")
    parser.add_argument("--secret", help="the system hook's X-Gitlab-Token")
    parser.add_argument("--signing-token", help="the system hook's whsec_… token")
    parser.add_argument("--seed", type=int, default=1, help="fixes what chance decides")
    return SandboxOptions(**vars(parser.parse_args(arguments)))


async def serve(options: SandboxOptions) -> None:
    """Serves until a signal; prints one JSON line when the address answers."""
    sock, options = listen(options)
    sandbox = Sandbox(options)
    server = server_for(sandbox)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    running = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    ready = {
        "url": sandbox.forge.url,
        "token": sandbox.token,
        "admin_token": sandbox.admin_token,
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await running


def main() -> int:
    """Runs the program; its exit code."""
    try:
        asyncio.run(serve(options_from(sys.argv[1:])))
    except OSError as problem:
        sys.stderr.write(f"The sandbox cannot start: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
