"""Who may deliver: GitLab's plain secret, or its signature by the Standard Webhooks rules.

GitLab docs, "Webhooks": `X-Gitlab-Token` holds the secret as it is; `webhook-id`,
`webhook-timestamp` and `webhook-signature` (a list, `v1,<base64>`) sign the raw body with a key
shown as `whsec_<base64>`. Several of each are active while rotating. A project's webhook that we
installed has secrets of its own (`workers.hook_secrets`), and speaks for that project only.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Sequence

import msgspec
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from standardwebhooks.webhooks import EmptyWebhookSecretError
from starlette.datastructures import Headers

from workers.errors import Misconfigured
from workers.hook_secrets import claimed, own_signing, own_token

TOLERANCE_S = 300
"""How old, or how far ahead, a signed delivery may be (Standard Webhooks: five minutes)."""
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Sender(msgspec.Struct, frozen=True):
    """A webhook that proved itself."""

    project: int | None = None
    """The one that it may speak for; None: all of them."""

    def speaks_for(self, project: int) -> bool:
        """Whether what it tells of a project counts."""
        return self.project is None or self.project == project


class Senders:
    """The active secrets. Nothing here ever shows one. All are compared, whichever fits."""

    def __init__(self, secrets: Iterable[SecretStr], signing: Iterable[SecretStr]) -> None:
        self._secrets = tuple(secrets)
        self._known = tuple(secret.get_secret_value().encode() for secret in self._secrets)
        self._tokens = tuple(signing)
        self._signing = tuple(_webhook(token) for token in self._tokens)

    def by_secret(self, headers: Headers) -> Sender | None:
        """Who knows the secret in `X-Gitlab-Token`; None takes as long for every wrong value."""
        given = _token(headers)
        if _is_one_of(given, self._known):
            return Sender()
        project = claimed(given)
        if project is None:
            return None
        own = [own_token(secret, project) for secret in self._secrets]
        return Sender(project) if _is_one_of(given, own) else None

    def may_be_signed(self, headers: Headers, now: float | None = None) -> bool:
        """Whether it is worth reading the body: a signature is there, and it is recent."""
        stamp = headers.get("webhook-timestamp", "")
        if not self._signing or not all(headers.get(name) for name in SIGNED):
            return False
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return False
        return abs((time.time() if now is None else now) - int(stamp)) <= TOLERANCE_S

    def by_signature(self, headers: Headers, body: bytes) -> Sender | None:
        """Who signed this raw body, by any active key; None where no signature is right.

        A project's webhook is looked for by the project that its token claims: the claim chooses
        the key, the signature proves it.
        """
        given = {name: headers.get(name, "") for name in SIGNED}
        if _verified(self._signing, given, body):
            return Sender()
        project = claimed(_token(headers))
        if project is None:
            return None
        own = [_webhook(own_signing(token, project)) for token in self._tokens]
        return Sender(project) if _verified(own, given, body) else None


def _token(headers: Headers) -> bytes:
    # Headers are Latin-1 text here: back to the bytes that were sent.
    return headers.get("x-gitlab-token", "").encode("latin-1")


def _is_one_of(given: bytes, secrets: Sequence[bytes]) -> bool:
    matches = [hmac.compare_digest(given, secret) for secret in secrets]
    return any(matches)


def _verified(keys: Sequence[Webhook], headers: dict[str, str], body: bytes) -> bool:
    matches = [_verifies(key, headers, body) for key in keys]
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
