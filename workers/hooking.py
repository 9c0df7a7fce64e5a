"""The project's own webhook, which brings pipeline events: installed early, repaired when broken.

No system hook carries pipeline events (GitLab source: app/models/hooks/system_hook.rb), so
without this one every verdict would have to be polled for.
"""

from __future__ import annotations

import structlog

from workers.clients.gitlab_hook_care import ensure_project_hook
from workers.errors import Rejected
from workers.hook_secrets import HookSecrets, for_hook
from workers.seal import Seal
from workers.store.audit import acting
from workers.store.deliveries import now_ms
from workers.wiring import Parts

log = structlog.get_logger(__name__)

REFUSED = "not installed: "
"""How GitLab saying no is noted."""
CHECK_AGAIN_MS = 24 * 3600 * 1000


def hook_url(backend_url: str) -> str:
    """Where GitLab delivers to."""
    return f"{backend_url}/webhooks/gitlab"


def label(parts: Parts, secrets: HookSecrets) -> str:
    """What is kept of a webhook's secrets: GitLab never shows which it holds. Says nothing of them
    without the key."""
    signing = secrets.signing.get_secret_value() if secrets.signing else ""
    seal = Seal(parts.key, "devops-backend webhooks' secrets")
    return seal.of(secrets.token.get_secret_value(), signing)


def ensure(parts: Parts, project: int, *, again: bool = False, force: bool = False) -> str:
    """The project has its webhook; looked at once a day, or now with `again`. Says how it is.

    It is written anew with `force`, and where it was not given the secrets of today: another one
    was the first, or it is older than secrets of projects. GitLab saying no (a Developer's token, a
    local address) is noted and ends nothing: the verdict is then polled for. Raises Retryable where
    GitLab is away.
    """
    url, secrets = hook_url(parts.settings.devops_backend_url), for_hook(parts.settings, project)
    known, given = parts.ledger.project(project), label(parts, secrets)
    current = known.get("hook_secret") == given
    fresh = now_ms() - int(known.get("hook_at", "0")) < CHECK_AGAIN_MS
    done = current or known.get("hook", "").startswith(REFUSED)
    if fresh and done and known.get("hook_url") == url and not again:
        return known.get("hook", "")
    try:
        with acting(why="the project's own webhook"):
            state = ensure_project_hook(
                parts.gitlab, project, url, secrets.token, secrets.signing,
                force=force or not current,
            )  # fmt: skip
        how = "created" if state.created else "; ".join(state.repaired) or "sound"
    except Rejected as error:
        how, given = f"{REFUSED}{error}", ""
        log.warning("no project webhook", project=project, reason=str(error))
    parts.ledger.note_project(
        project, {"hook": how, "hook_url": url, "hook_at": now_ms(), "hook_secret": given}
    )
    return how
