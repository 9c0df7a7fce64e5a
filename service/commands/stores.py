"""`templates`, `learned`, `events`: what the stores hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands import output
from service.commands.run import _with_redis
from workers.errors import Misconfigured, NotFound
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.wiring import Parts

"""Exit code: the command went well, and found nothing of what was named."""
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Rows at the most.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    for name, help_text, commands in (
        ("templates", "Check the plans under templates/; load them into Chroma.",
         (templates_check, templates_sync)),
        ("learned", "What has been learned.",
         (learned_list, learned_show, learned_forget, learned_revoke, learned_export,
          learned_import, learned_rebuild)),
        ("events", "The ledger of deliveries.", (events_list, events_replay)),
    ):  # fmt: skip
        group = typer.Typer(help=help_text, no_args_is_help=True)
        for command in commands:
            group.command(command.__name__.partition("_")[2])(command)
        app.add_typer(group, name=name)


def _parts(*, with_redis: bool = True) -> Parts:
    from workers.embedded import find_running_chroma
    from workers.wiring import Parts

    settings = Settings.load()
    if settings.chroma_url is None:
        url = find_running_chroma(settings.devops_backend_data)
        settings = settings.model_copy(update={"chroma_url": url})
    return Parts(_with_redis(settings) if with_redis else settings)


def templates_check(as_json: output.Json = False) -> None:
    """Load and check every template; prints them sorted."""
    templates = _parts(with_redis=False).templates.all()
    rows = [(t.id, t.version, t.language, t.framework or "") for t in templates]
    if as_json:
        names = ("id", "version", "language", "framework")
        output.print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        output.print_table(("id", "version", "language", "framework"), rows, "no templates")


def templates_sync(as_json: output.Json = False) -> None:
    """Load the templates into Chroma's collection `pipeline_templates`."""
    from workers.steps.retrieve import sync_templates

    parts = _parts(with_redis=False)
    if parts.index is None:
        raise Misconfigured("CHROMA_URL: should name the Chroma server to load the templates into")
    sync_templates(parts.index, parts.templates)
    count = len(parts.templates.all())
    output.print_result({"templates": count}, f"{count} templates are in Chroma", as_json)


def learned_list(language: str = "", limit: Limit = 50, as_json: output.Json = False) -> None:
    """Learned pipelines with their record, by language and framework."""
    page = _parts().learned.list(limit=limit, language=language or None)
    if as_json:
        output.print_json(page.items)
        return
    rows = [
        (r.id, r.language, r.framework, r.template, r.successes, r.failures, f"{r.confidence:.2f}")
        for r in page.items
    ]
    columns = ("id", "language", "framework", "template", "ok", "failed", "confidence")
    output.print_table(columns, rows, "nothing has been learned yet")


def learned_show(id: str, as_json: output.Json = True) -> None:
    """One learned pipeline, whole; always as JSON."""
    output.print_json(_parts().learned.show(id))


def learned_forget(id: str, as_json: output.Json = False) -> None:
    """Forget a learned pipeline, in Redis and in Chroma."""
    parts = _parts()
    parts.learned.forget(id)
    if parts.index is not None:
        parts.index.delete("successful_pipelines", [id])
    output.print_result({"forgotten": id}, f"{id} is forgotten", as_json)


def learned_revoke(
    origin: Annotated[
        str, typer.Option("--origin", help="A top-level group, or a project's id or path.")
    ],
    lift: Annotated[bool, typer.Option("--lift", help="Learn of it again instead.")] = False,
    as_json: output.Json = False,
) -> None:
    """Take back all that a group or project taught, and learn no more of it.

    Exit code 1 where it had taught nothing, or with --lift was not revoked: a slip of the pen?
    """
    from workers.steps.learn import index_backlog

    parts = _parts()
    if "/" in origin.strip("/"):
        origin = str(parts.gitlab.project(origin.strip("/")).id)
    if lift:
        again = parts.learned.readmit(origin)
        said = f"{origin} is learned of again" if again else f"{origin} was not revoked"
        output.print_result({"origin": origin, "lifted": again}, said, as_json)
        raise typer.Exit(0 if again else 1)
    gone = parts.learned.revoke(origin)
    while parts.index is not None and parts.learned.unindexed(1):
        index_backlog(parts.learned, parts.index)
    said = f"{gone.outcomes} outcomes of {origin} taken back, {gone.records} records forgotten"
    if not gone.outcomes:
        said = f"nothing had been learned of {origin!r}; nothing will be, until --lift"
    output.print_result(gone, said, as_json)
    raise typer.Exit(0 if gone.outcomes else 1)


def learned_export() -> None:
    """Everything learned, as JSON lines on stdout."""
    for line in _parts().learned.export():
        sys.stdout.buffer.write(line.rstrip(b"\n") + b"\n")


def learned_import(
    file: Annotated[Path, typer.Argument(help="JSON lines of `learned export`; - is stdin.")],
    as_json: output.Json = False,
) -> None:
    """Add what another installation has learned; known outcomes are not counted twice."""
    try:
        lines = (sys.stdin.buffer if str(file) == "-" else file.open("rb")).readlines()
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror}") from None
    new = _parts().learned.import_(lines)
    output.print_result({"new_outcomes": new}, f"{new} outcomes were new", as_json)


def learned_rebuild(as_json: output.Json = False) -> None:
    """Make Chroma's collections anew from Redis and the templates."""
    from workers.steps.retrieve import rebuild

    parts = _parts()
    if parts.index is None:
        raise Misconfigured("CHROMA_URL: should name the Chroma server to rebuild")
    output.note("rebuilding …")
    pipelines, templates = rebuild(parts.index, parts.learned, parts.templates)
    output.print_result(
        {"learned": pipelines, "templates": templates},
        f"Chroma holds what Redis holds: {pipelines} learned pipelines, {templates} templates",
        as_json,
    )


def events_list(
    project: Annotated[int, typer.Option(help="Only of this project id.")] = 0,
    limit: Limit = 50,
    before: Annotated[str, typer.Option(help="Older than this delivery.")] = "",
    as_json: output.Json = False,
) -> None:
    """Deliveries, newest first: verdict, reason, run."""
    found = _parts().ledger.deliveries(limit=limit, before=before, project=project)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (d.id, output.at(d.at), d.event.kind, d.event.project_id, d.verdict, d.reason, d.run)
        for d in found
    ]
    columns = ("delivery", "at", "kind", "project", "verdict", "reason", "run")
    output.print_table(columns, rows, "no delivery has been received yet")


def events_replay(
    first: Annotated[str, typer.Argument(help="Delivery id, as `events list` prints it.")],
    last: Annotated[
        str, typer.Argument(help="The range's other end; default: only the first.")
    ] = "",
    as_json: output.Json = False,
) -> None:
    """Carry out a delivery, or a range of them, again."""
    ledger = _parts().ledger
    ids = ledger.between(first, last or first)
    if not ids:
        raise NotFound(f"no delivery {first} is in the ledger")
    for delivery in ids:
        ledger.replay(delivery)
    output.print_result({"replayed": ids}, f"{len(ids)} replayed", as_json)
