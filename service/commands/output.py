"""How commands print: results on stdout, notes and errors on stderr, JSON where asked.

With `--json` an error is an object on stdout too, for every command the same:
`{"error": {"kind": …, "message": …}}`. The kind is a class of `workers.errors` in lower case
(`not_found`), `file`, `store` (Redis does not answer) or `usage`; the message is for a person.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print the result, or the error, as JSON.")]


def console() -> Console:
    """Stdout, for people. rich honours NO_COLOR and drops colour where it is no terminal."""
    # Whoever reads through a pipe copies and greps: nothing is folded there.
    width = None if sys.stdout.isatty() else 10_000
    return Console(soft_wrap=True, highlight=False, markup=False, width=width)


def note(message: str) -> None:
    """A line of progress on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def print_findings(text: str) -> None:
    """Findings as they are; on a terminal, errors are red and warnings yellow."""
    screen = console()
    if not screen.is_terminal:
        sys.stdout.write(text)
        return
    shown = Text(text.rstrip("\n"))
    shown.highlight_regex(r"(?m)(?<=: )error(?= [a-z-]+: )|(?<=: )invalid(?= \()", "red")
    shown.highlight_regex(r"(?m)(?<=: )warning(?= [a-z-]+: )", "yellow")
    shown.highlight_regex(r"(?m)(?<=: )valid(?=$| \()", "green")
    screen.print(shown)


def print_json(value: Any) -> None:
    """`value` as JSON on stdout, keys in their own order, two spaces deep."""
    json.dump(msgspec.to_builtins(value), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def error(kind: str, message: str) -> dict[str, dict[str, str]]:
    """The one shape of an error in JSON."""
    return {"error": {"kind": kind, "message": message}}


def print_result(value: Any, line: str, as_json: bool) -> None:
    """A result as a line for people, or as JSON."""
    if as_json:
        print_json(value)
    else:
        console().print(line)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """A table, or the line `empty` where there are no rows. Texts are shown as they are."""
    if not rows:
        console().print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console().print(table)


def at(unix_ms: float) -> str:
    """A time in the machine's own zone, to the second, with its offset."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone().isoformat(" ", "seconds")
