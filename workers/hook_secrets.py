"""What a webhook authenticates itself with: the instance's secrets, or a project's own.

A project's maintainers choose what its webhook sends (GitLab docs, "Custom webhook template") and
where to, so it gets no secret that speaks for other projects: `p<id>.<43 characters>`, the id under
HMAC-SHA256 with a secret of the settings (RFC 2104), and a signing token made alike. The receiver
makes both again from the id; nothing is stored, and each active secret has its own while rotating.
"""

from __future__ import annotations

import base64
import hmac
import re

import msgspec
from pydantic import SecretStr

from workers.seal import derived
from workers.settings import Settings

_OWN = re.compile(rb"p([1-9][0-9]{0,15})\.[A-Za-z0-9_-]{43}")


class HookSecrets(msgspec.Struct, frozen=True):
    """What a webhook is written with: `X-Gitlab-Token`, and the key that GitLab signs with."""

    token: SecretStr
    signing: SecretStr | None = None


def for_hook(settings: Settings, project: int | None = None) -> HookSecrets:
    """The newest secrets for a project's webhook, or for one that tells of many projects.

    A webhook secret has to be set (`Settings.with_webhook_secret`).
    """
    token = settings.gitlab_webhook_secret[0]
    signing = settings.gitlab_signing_token[0] if settings.gitlab_signing_token else None
    if project is None:
        return HookSecrets(token, signing)
    own = SecretStr(own_token(token, project).decode())
    return HookSecrets(own, own_signing(signing, project) if signing else None)


def own_token(secret: SecretStr, project: int) -> bytes:
    """`X-Gitlab-Token` of a project's own webhook."""
    mac = _mac(secret, "devops-backend webhooks of projects", project)
    return b"p%d." % project + base64.urlsafe_b64encode(mac).rstrip(b"=")


def own_signing(token: SecretStr, project: int) -> SecretStr:
    """The signing token of a project's own webhook, `whsec_…` as GitLab takes it."""
    mac = _mac(token, "devops-backend signatures of projects", project)
    return SecretStr("whsec_" + base64.b64encode(mac).decode())


def claimed(token: bytes) -> int | None:
    """The project that a token says it belongs to, which proves nothing; None for other tokens."""
    found = _OWN.fullmatch(token)
    return int(found[1]) if found else None


def _mac(secret: SecretStr, purpose: str, project: int) -> bytes:
    return hmac.digest(derived(secret, purpose), b"%d" % project, "sha256")
