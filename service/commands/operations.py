"""`sweep`, `audit`, `dead`, `budget`, `backup`, `restore`: keeping the service healthy by hand."""

from __future__ import annotations

import getpass
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.commands import output
from service.commands.run import _with_redis
from service.commands.stores import Limit, _parts
from workers.errors import Rejected
from workers.settings import Settings
from workers.store.audit import Line
from workers.store.budget import BudgetState
from workers.store.sweeps import Report


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(sweep)
    app.command()(audit)
    app.command()(backup)
    app.command()(restore)
    budget = typer.Typer(help="Commits to all projects in an hour.", no_args_is_help=True)
    budget.command("show")(budget_show)
    budget.command("reset")(budget_reset)
    app.add_typer(budget, name="budget")
    dead = typer.Typer(help="Work that was given up, and waits for a person.", no_args_is_help=True)
    dead.command("list")(dead_list)
    dead.command("replay")(dead_replay)
    app.add_typer(dead, name="dead")


def sweep(as_json: output.Json = False) -> None:
    """Look at all projects now for what GitLab never told; repair what may be repaired.

    Projects without a run, missed pushes and verdicts, webhooks missing, disabled or refused,
    branches and merge requests of ours that are not known. `up` and `work` do it every
    SWEEP_INTERVAL_S. Exit code 1 where it was cut short.
    """
    from service.start import require_gitlab, require_secret
    from workers.store.audit import acting
    from workers.sweep import carry_on
    from workers.wiring import Parts

    settings = Settings.load().with_webhook_secret(make=False).with_key(make=False)
    require_gitlab(settings)
    require_secret(settings)
    parts = Parts(_with_redis(settings.with_receivers_url(required=True)))
    asked = parts.sweeps.ask()
    while True:
        with acting(f"command line ({getpass.getuser()})", "sweep"):
            wait = carry_on(parts)
        report = parts.sweeps.report()
        if report.state == "done" and (report.began_at or "") >= asked:
            break
        output.note(f"{report.projects} projects, {len(report.findings)} findings so far")
        time.sleep(min(wait, 60.0) if wait is not None else 1.0)
    _print(report, as_json)
    raise typer.Exit(1 if report.trouble else 0)


def audit(
    project: Annotated[str, typer.Option(help="Only of this project: its id, or path.")] = "",
    since: Annotated[
        datetime | None, typer.Option(help="Not older; a time without a zone is this machine's.")
    ] = None,
    limit: Limit = 50,
    as_json: output.Json = False,
) -> None:
    """Every write sent to GitLab, newest first: who, why, for which run, and what came of it.

    `written`, `refused` (GitLab said no, nothing was written) or `unclear` (no answer was noted).
    """
    edge = int(since.timestamp() * 1000) if since else 0
    parts = _parts()
    if project and not project.isdigit():
        project = str(parts.gitlab.project(project.strip("/")).id)
    found = parts.audit.lines(project=project, since=edge, limit=limit)
    if as_json:
        output.print_json([msgspec.to_builtins(x) | {"outcome": x.outcome} for x in found])
        return
    rows = [
        (output.at(x.at), x.who, x.why, x.run, f"{x.method} {x.route}", x.project, _result(x))
        for x in found
    ]
    columns = ("at", "who", "why", "run", "call", "project", "result")
    output.print_table(columns, rows, "nothing was written to GitLab")


def _result(line: Line) -> str:
    status = "not noted" if line.status is None else line.status or "no answer"
    return f"{line.outcome} ({status})"


def budget_show(as_json: output.Json = False) -> None:
    """Commits of the last hour, and of how many. Exit code 1 where it is tripped."""
    found = _parts().budget.state()
    _print_budget(found, as_json)
    raise typer.Exit(1 if found.state == "tripped" else 0)


def budget_reset(as_json: output.Json = False) -> None:
    """Let commits go on after the budget was spent; runs that wait notice within two minutes."""
    _print_budget(_parts().budget.reset(), as_json)


def _print_budget(found: BudgetState, as_json: bool) -> None:
    tripped = f"; tripped since {found.tripped_at}" if found.tripped_at else ""
    output.print_result(found, f"{found.spent} of {found.limit} in the last hour{tripped}", as_json)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, for the copy.")],
    as_json: output.Json = False,
) -> None:
    """Copy what cannot be made again, while everything runs: Redis' data and the kept secrets.

    Chroma is left out, `learned rebuild` makes it anew. The folder holds secrets: keep it so.
    """
    from workers.backup import backup as copy

    parts = _parts()
    made = copy(parts.redis, parts.settings.devops_backend_data, folder)
    line = f"{made.keys} keys and {len(made.kept)} secrets as of {made.made_at} are in {folder}"
    output.print_result(made, line, as_json)


def restore(
    folder: Annotated[Path, typer.Argument(help="What `backup` made.")],
    as_json: output.Json = False,
) -> None:
    """Put a backup into DEVOPS_BACKEND_DATA, which must not hold a store yet; starts nothing."""
    from workers.backup import SNAPSHOT
    from workers.backup import restore as put_back

    settings = Settings.load()
    if settings.redis_url is not None:
        raise Rejected(
            f"REDIS_URL is set: give {folder / SNAPSHOT} to that server as its own dump, while it"
            " is stopped; this command restores the store that `up` keeps"
        )
    found = put_back(folder, settings.devops_backend_data)
    data = settings.devops_backend_data
    output.print_result(found, f"{data} holds what was there at {found.made_at}", as_json)
    output.note("next: devops-backend up, then devops-backend learned rebuild")


def dead_list(limit: Limit = 50, as_json: output.Json = False) -> None:
    """Dead letters, newest first, with what helps."""
    found = _parts().dead.list(limit=limit)
    if as_json:
        output.print_json(found)
        return
    rows = [(d.id, output.at(d.at), d.path or d.project, d.run, d.reason, d.next_step)
            for d in found]  # fmt: skip
    columns = ("letter", "at", "project", "run", "reason", "next step")
    output.print_table(columns, rows, "nothing was given up")


def dead_replay(
    letters: Annotated[
        list[str] | None, typer.Argument(help="Ids, as `dead list` prints them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    as_json: output.Json = False,
) -> None:
    """Set the work of dead letters going again. Exit code 1 where some could not be."""
    if bool(letters) == everything:
        raise typer.BadParameter("name letters, or --all")
    parts = _parts()
    ids = letters or [letter.id for letter in parts.dead.list(limit=10_000)]
    done: list[dict[str, str]] = []
    failed: list[dict[str, str]] = []
    for letter in ids:
        try:
            done.append({"id": letter, "run": parts.dead.replay(letter, parts.ledger, parts.runs)})
        except Rejected as error:
            output.note(f"error: {letter}: {error}")
            failed.append({"id": letter, "reason": str(error)})
    shown = {"replayed": done, "failed": failed}
    output.print_result(shown, f"{len(done)} of {len(ids)} replayed", as_json)
    raise typer.Exit(0 if len(done) == len(ids) else 1)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        output.print_json(report)
        return
    columns = ("kind", "project", "found", "done, or what helps")
    rows = [(f.kind, f.path or f.project or "", f.found, f.done or f.fix) for f in report.findings]
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
