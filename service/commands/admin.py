"""`doctor` and `hooks`: is everything in place, and GitLab's webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands import output
from workers.errors import Misconfigured
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.clients.gitlab_hook_care import HookState
    from workers.clients.gitlab_hooks import Shelf
    from workers.wiring import Parts

ProjectOption = Annotated[
    str, typer.Option("--project", help="A project's id or path: its webhook (Maintainer).")
]
GroupOption = Annotated[
    str, typer.Option("--group", help="A group's id or path: its webhook (Premium, Owner).")
]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(doctor)
    hooks = typer.Typer(
        help="The system hook of the instance, or the webhook of a group or project.",
        no_args_is_help=True,
    )
    hooks.command("install")(hooks_install)
    hooks.command("check")(hooks_check)
    app.add_typer(hooks, name="hooks")


def doctor(as_json: output.Json = False) -> None:
    """Check GitLab, token, hooks, Redis, Chroma, Ollama and the registry; a line each."""
    from service import checks

    found = checks.run(Settings.load().with_receivers_url())
    if as_json:
        output.print_json(found)
    else:
        for check in found:
            output.console().print(f"{check.state:8} {check.name:9} {check.detail}")
            if check.fix:
                output.console().print(f"{'':18} fix: {check.fix}")
    raise typer.Exit(1 if any(check.state == "failed" for check in found) else 0)


def hooks_install(
    project: ProjectOption = "", group: GroupOption = "", as_json: output.Json = False
) -> None:
    """Install or repair the webhook that brings GitLab's events here.

    Without an option it is the system hook, which needs an administrator's token. GitLab.com has
    none: `--group` hears of new projects there, `--project` of one project's pushes. It stands in
    the audit log where REDIS_URL is set or `up` runs here.
    """
    import getpass

    from service.start import require_secret
    from workers.clients.gitlab_hook_care import WRITTEN_ANEW, ensure
    from workers.hook_secrets import for_hook
    from workers.store.audit import acting

    parts, url = _parts()
    settings, shelf = parts.settings, _shelf(parts, project, group)
    require_secret(settings)
    given = for_hook(settings, shelf.project)
    with acting(f"command line ({getpass.getuser()})", "hooks install"):
        state = ensure(shelf, url, given.token, given.signing, force=True)
    what = _named(project, group)
    if as_json:
        shown = {"url": url, "kind": shelf.kind, "id": state.id, "created": state.created}
        output.print_json({**shown, "repaired": state.repaired, "signed": state.signed})
    else:
        how = "created" if state.created else "written anew"
        output.console().print(f"{what} {state.id} {how} → {url}")
        if state.repaired not in ((), (WRITTEN_ANEW,)):
            output.note(f"note: {'; '.join(state.repaired)}")
    for note in _notes(state, given.signing is not None):
        output.note(f"note: {note}")


def hooks_check(
    project: ProjectOption = "", group: GroupOption = "", as_json: output.Json = False
) -> None:
    """Say whether the webhook is there and sound. Changes nothing; exit code 1 where it is not."""
    from workers.clients.gitlab_hook_care import faults, find

    parts, url = _parts()
    shelf = _shelf(parts, project, group)
    mine = find(shelf, url)
    sign = bool(parts.settings.gitlab_signing_token)
    wrong = faults(mine, shelf.kind, url, sign) if mine else ["not installed"]
    if as_json:
        found: dict[str, Any] = {"url": url, "kind": shelf.kind, "installed": mine is not None}
        output.print_json({**found, "sound": not wrong, "faults": wrong})
    elif mine is not None and not wrong:
        output.console().print(f"sound: {_named(project, group)} {mine.id} → {url}")
    else:
        output.console().print(f"{_named(project, group)} → {url}: {'; '.join(wrong)}")
        output.console().print(f"fix: devops-backend hooks install{_options(project, group)}")
    raise typer.Exit(1 if wrong else 0)


def _parts() -> tuple[Parts, str]:
    from workers.embedded import find_running
    from workers.hooking import hook_url
    from workers.wiring import Parts

    settings = Settings.load().with_webhook_secret(make=False)
    if settings.redis_url is None:
        running = find_running(settings.devops_backend_data)
        settings = settings.model_copy(update={"redis_url": running})
    if settings.gitlab_token is None:
        raise Misconfigured("GITLAB_TOKEN: should be an access token with scope api")
    settings = settings.with_receivers_url(required=True)
    return Parts(settings), hook_url(settings.devops_backend_url)


def _shelf(parts: Parts, project: str, group: str) -> Shelf:
    """The webhooks that the options name."""
    from workers.clients import gitlab_hooks as kinds

    if project and group:
        raise typer.BadParameter("--project and --group exclude each other")
    if group:
        return kinds.of_group(parts.gitlab, _id(group))
    if project:
        return kinds.of_project(parts.gitlab, parts.gitlab.project(_id(project)).id)
    return kinds.of_instance(parts.gitlab)


def _id(name: str) -> int | str:
    return int(name) if name.isdigit() else name.strip("/")


def _named(project: str, group: str) -> str:
    if group:
        return f"webhook of the group {group}"
    return f"webhook of {project}" if project else "system hook"


def _options(project: str, group: str) -> str:
    return f" --group {group}" if group else f" --project {project}" if project else ""


def _notes(state: HookState, sign: bool) -> list[str]:
    """What this GitLab cannot do."""
    notes = []
    if sign and not state.signed:
        notes.append("deliveries are not signed: GitLab does that from 19.0 on; the secret holds")
    if not state.births:
        notes.append(
            "this GitLab tells groups nothing of new projects (17.6 does): their first push is the"
            " first that is heard of them"
        )
    return notes
