"""`devops-backend`: the one console script. Results on stdout, progress and logs on stderr.

Exit codes: 0 success, 1 failure, 2 bad usage, 3 nothing matched (`learned revoke`).
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import version
from typing import Annotated, Final, NoReturn

import typer
from redis.exceptions import RedisError

from service.commands import admin, files, operations, output, run, stores
from workers import logs
from workers.errors import BackendError

USAGE: Final = 2
ALWAYS_JSON: Final = ["learned", "show"]

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
    """Entry point: an expected error is one line, with `--json` an object too; no traceback."""
    logs.configure(None, name="command")
    try:
        app()
    except BackendError as error:
        _fail(_kind(error), str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _fail("file", f"{error.filename}: {error.strerror}")
    except RedisError as error:
        _fail("store", f"REDIS_URL: Redis does not answer ({type(error).__name__})")
    except SystemExit as end:
        # typer has said on stderr what is wrong, and keeps the sentence to itself.
        if end.code == USAGE and _in_json():
            output.print_json(output.error("usage", "the command line is wrong; stderr says how"))
        raise


def _fail(kind: str, message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    if _in_json():
        output.print_json(output.error(kind, message))
    sys.exit(1)


def _kind(error: BackendError) -> str:
    """The nearest name in the tree of `workers.errors`: other modules add classes to it."""
    known = (kind for kind in type(error).__mro__ if kind.__module__ == BackendError.__module__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", next(known).__name__).lower()


def _in_json() -> bool:
    """Whether the caller reads JSON. No command has run where its line is wrong: the line tells."""
    given = sys.argv[1:]
    return "--json" in given or given[: len(ALWAYS_JSON)] == ALWAYS_JSON


if __name__ == "__main__":
    main()
