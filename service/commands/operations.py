"""`sweep`: what keeps the service healthy, by hand."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from service.commands import output
from service.commands.run import _with_redis
from workers.settings import Settings
from workers.sweeps import Report

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(sweep)


def sweep(as_json: Json = False) -> None:
    """Look at all projects now for what GitLab never told; repair what may be repaired.

    Projects without a run, missed pushes and verdicts, webhooks missing, disabled or refused,
    branches and merge requests of ours that are not known. `up` and `work` do it every
    SWEEP_INTERVAL_S. Exit code 1 where it was cut short.
    """
    from service.stack import require_gitlab, require_secret
    from workers.sweep import carry_on
    from workers.wiring import Parts

    settings = Settings.load().with_webhook_secret(make=False).with_key(make=False)
    require_gitlab(settings)
    require_secret(settings)
    parts = Parts(_with_redis(settings))
    asked = parts.sweeps.ask()
    while True:
        wait = carry_on(parts)
        report = parts.sweeps.report()
        if report.state == "done" and (report.began_at or "") >= asked:
            break
        output.note(f"{report.projects} projects, {len(report.findings)} findings so far")
        time.sleep(min(wait, 60.0) if wait is not None else 1.0)
    _print(report, as_json)
    raise typer.Exit(1 if report.trouble else 0)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        output.print_json(report)
        return
    columns = ("kind", "project", "found", "done, or what helps")
    rows = [(f.kind, f.path or f.project, f.found, f.done or f.fix) for f in report.findings]
    output.print_table(columns, rows, "nothing was found")
    output.note(f"{report.projects} projects, {report.calls} calls to GitLab")
    if report.older:
        output.note(
            f"note: {report.older} projects are older than this installation and have no run;"
            " re-trigger those that should have one"
        )
    if report.unlisted:
        output.note(f"note: {report.unlisted} more findings are not listed")
    if report.trouble:
        output.note(f"error: {report.trouble}")
