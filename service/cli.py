"""`devops-backend`: the one console script. Results on stdout, progress and logs on stderr.

Exit codes: 0 success, 1 failure, 2 bad usage.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from redis.exceptions import RedisError

from service.commands import admin, files, operations, run, stores
from workers import logs
from workers.errors import BackendError

app = typer.Typer(
    name="devops-backend",
    help="Gives new GitLab projects a pipeline that goes green, and remembers what worked.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"devops-backend {version('devops-tools-backend')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Gives new GitLab projects a pipeline that goes green, and remembers what worked."""


for group in (run, files, admin, stores, operations):
    group.register(app)


def main() -> None:
    """Entry point: an expected error is one line, never a traceback."""
    logs.configure(None, name="command")
    try:
        app()
    except BackendError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)
    except RedisError as error:
        typer.echo(f"error: REDIS_URL: Redis does not answer ({type(error).__name__})", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
