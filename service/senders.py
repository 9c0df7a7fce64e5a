"""Who may deliver: GitLab's plain secret, or its signature by the Standard Webhooks rules.

GitLab docs, "Webhooks": `X-Gitlab-Token` holds the secret as it is; `webhook-id`,
`webhook-timestamp` and `webhook-signature` (a list, `v1,<base64>`) sign the raw body with a key
shown as `whsec_<base64>`. Several of each are active while rotating.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable

from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError
from starlette.datastructures import Headers

from workers.errors import Misconfigured

TOLERANCE_S = 300
"""How old, or how far ahead, a signed delivery may be (Standard Webhooks: five minutes)."""
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Senders:
    """The active secrets. Nothing here ever shows one."""

    def __init__(self, secrets: Iterable[SecretStr], signing: Iterable[SecretStr]) -> None:
        self._secrets = tuple(secret.get_secret_value().encode() for secret in secrets)
        self._signing = tuple(_webhook(token) for token in signing)

    def knows_secret(self, headers: Headers) -> bool:
        """Whether `X-Gitlab-Token` is one of the secrets. Takes as long for every wrong value."""
        # Headers are Latin-1 text here: back to the bytes that were sent.
        given = headers.get("x-gitlab-token", "").encode("latin-1")
        matches = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return any(matches)

    def may_be_signed(self, headers: Headers, now: float | None = None) -> bool:
        """Whether it is worth reading the body: a signature is there, and it is recent."""
        stamp = headers.get("webhook-timestamp", "")
        if not self._signing or not all(headers.get(name) for name in SIGNED):
            return False
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return False
        return abs((time.time() if now is None else now) - int(stamp)) <= TOLERANCE_S

    def signed(self, headers: Headers, body: bytes) -> bool:
        """Whether one of the signatures is right for this raw body, by any active key."""
        given = {name: headers.get(name, "") for name in SIGNED}
        matches = [_verifies(webhook, given, body) for webhook in self._signing]
        return any(matches)


def _verifies(webhook: Webhook, headers: dict[str, str], body: bytes) -> bool:
    for signature in headers["webhook-signature"].split(" ")[:16]:
        # One at a time: the library gives up a whole list for one malformed entry in it.
        try:
            webhook.verify(body, {**headers, "webhook-signature": signature}, json_parse=False)
        except (WebhookVerificationError, ValueError):
            continue
        return True
    return False


def _webhook(token: SecretStr) -> Webhook:
    try:
        return Webhook(token.get_secret_value())
    except (ValueError, EmptyWebhookSecretError):
        raise Misconfigured(
            "GITLAB_SIGNING_TOKEN: should be whsec_ and base64, as GitLab shows it"
        ) from None
