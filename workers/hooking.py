"""The project's own webhook, which brings pipeline events: installed early, repaired when broken.

No system hook carries pipeline events (GitLab source: app/models/hooks/system_hook.rb), so
without this one every verdict would have to be polled for.
"""

from __future__ import annotations

import structlog

from workers.audit import acting
from workers.clients.gitlab_hook_care import ensure_project_hook
from workers.deliveries import now_ms
from workers.errors import Rejected
from workers.wiring import Parts

log = structlog.get_logger(__name__)

REFUSED = "not installed: "
"""How GitLab saying no is noted."""
CHECK_AGAIN_MS = 24 * 3600 * 1000


def hook_url(backend_url: str) -> str:
    """Where GitLab delivers to."""
    return f"{backend_url}/webhooks/gitlab"


def ensure(parts: Parts, project: int, *, again: bool = False, force: bool = False) -> str:
    """The project has its webhook; looked at once a day, or now with `again`. Says how it is.

    `force` writes it anew: GitLab does not tell which secret it holds. GitLab saying no (a
    Developer's token, a local address) is noted and ends nothing: the verdict is then polled for.
    Raises Retryable where GitLab is away.
    """
    settings, known = parts.settings, parts.ledger.project(project)
    url = hook_url(settings.devops_backend_url)
    fresh = now_ms() - int(known.get("hook_at", "0")) < CHECK_AGAIN_MS
    if fresh and known.get("hook_url") == url and not again:
        return known.get("hook", "")
    signing = settings.gitlab_signing_token[0] if settings.gitlab_signing_token else None
    try:
        with acting(why="the project's own webhook"):
            state = ensure_project_hook(
                parts.gitlab, project, url, settings.gitlab_webhook_secret[0], signing,
                force=force,
            )  # fmt: skip
        how = "created" if state.created else "; ".join(state.repaired) or "sound"
    except Rejected as error:
        how = f"{REFUSED}{error}"
        log.warning("no project webhook", project=project, reason=str(error))
    parts.ledger.note_project(project, {"hook": how, "hook_url": url, "hook_at": now_ms()})
    return how
