"""`doctor` and `hooks`: is everything in place, and GitLab's webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.commands import output
from workers.errors import Misconfigured
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.clients.gitlab_hooks import HookState
    from workers.wiring import Parts

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ProjectOption = Annotated[
    str, typer.Option("--project", help="A project's id or path; without it, the system hook.")
]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(doctor)
    hooks = typer.Typer(
        help="The system hook of the instance, or a project's webhook.", no_args_is_help=True
    )
    hooks.command("install")(hooks_install)
    hooks.command("check")(hooks_check)
    app.add_typer(hooks, name="hooks")


def doctor(as_json: Json = False) -> None:
    """Check GitLab, token, hooks, Redis, Chroma, Ollama and the registry; a line each."""
    from service import checks

    found = checks.run(Settings.load())
    if as_json:
        output.print_json(found)
    else:
        for check in found:
            output.console().print(f"{check.state:8} {check.name:9} {check.detail}")
            if check.fix:
                output.console().print(f"{'':18} fix: {check.fix}")
    raise typer.Exit(1 if any(check.state == "failed" for check in found) else 0)


def hooks_install(project: ProjectOption = "") -> None:
    """Install or repair the webhook that brings GitLab's events here.

    The system hook needs an administrator's token, a project's webhook a Maintainer's.
    """
    parts, url = _parts()
    output.console().print(f"{_ensure(parts, url, project)} → {url}")


def hooks_check(project: ProjectOption = "", as_json: Json = False) -> None:
    """Say whether the webhook is there and sound. Changes nothing; exit code 1 where it is not."""
    parts, url = _parts()
    gitlab = parts.gitlab
    found = (
        gitlab.project_hooks(gitlab.project(_id(project)).id) if project else gitlab.system_hooks()
    )
    mine = [hook for hook in found if hook.url.rstrip("/") == url]
    sound = [hook for hook in mine if hook.push_events and not hook.disabled]
    if as_json:
        output.print_json({"url": url, "installed": bool(mine), "sound": bool(sound)})
    elif sound:
        output.console().print(f"sound: hook {sound[0].id} → {url}")
    else:
        what = "not delivering" if mine else "not installed"
        again = f" --project {project}" if project else ""
        output.console().print(f"{what}: {url}; fix: devops-backend hooks install{again}")
    raise typer.Exit(0 if sound else 1)


def _parts() -> tuple[Parts, str]:
    from workers.wiring import Parts

    settings, _ = Settings.load().with_secrets()
    if settings.gitlab_token is None:
        raise Misconfigured("GITLAB_TOKEN: should be an access token with scope api")
    return Parts(settings), f"{settings.devops_backend_url}/webhooks/gitlab"


def _id(project: str) -> int | str:
    return int(project) if project.isdigit() else project


def _ensure(parts: Parts, url: str, project: str) -> str:
    from workers.clients.gitlab_hooks import ensure_project_hook, ensure_system_hook

    settings = parts.settings
    secret = settings.gitlab_webhook_secret[0]
    signing = settings.gitlab_signing_token[0] if settings.gitlab_signing_token else None
    state: HookState
    if project:
        known = parts.gitlab.project(_id(project))
        state = ensure_project_hook(parts.gitlab, known.id, url, secret, signing, force=True)
    else:
        state = ensure_system_hook(parts.gitlab, url, secret, signing, force=True)
    kind = f"webhook of {project}" if project else "system hook"
    return f"{kind} {state.id} {'created' if state.created else 'written anew'}"
