"""GitLab tokens that callers lend for one run: encrypted, for an hour or two, gone when it ends.

Kept is one only where our own token cannot do the work. Redis sees the ciphertext alone, and drops
it in the same step that writes the run's end (`save_run.lua`). Nothing else holds one: no job's
arguments, no run, no log.

Keys: `dob:lent:{handle}`.
"""

from __future__ import annotations

import base64
import secrets

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr
from redis import Redis

from workers.errors import Denied
from workers.seal import derived
from workers.store.deliveries import key as name

LENT_S = 2 * 3600
"""Longer than a run takes when GitLab is there; who wants more gives our user access."""
GONE = (
    "the gitlab_token that was lent for this run is gone or too old; ask again with a new one, or"
    " give the service's own user access to the project"
)


class _Loan(msgspec.Struct, frozen=True, array_like=True):
    project: int
    token: str


class Lent:
    """Lent tokens in Redis, encrypted with a key that is not there (Fernet: AES-CBC and HMAC)."""

    def __init__(self, redis: Redis, key: SecretStr) -> None:
        self._redis = redis
        made = base64.urlsafe_b64encode(derived(key, "devops-backend lent tokens"))
        self._box = Fernet(made)

    def lend(self, token: SecretStr, project: int) -> str:
        """Keep a token for a run of `project`; gives the handle that the run holds instead."""
        handle = secrets.token_hex(12)
        loan = msgspec.json.encode(_Loan(project, token.get_secret_value()))
        self._redis.set(name("lent", handle), self._box.encrypt(loan), ex=LENT_S)
        return handle

    def borrow(self, handle: str, project: int) -> SecretStr:
        """The token behind a handle. Raises Denied where it is gone, too old, altered, or another
        project's."""
        sealed = self._redis.get(name("lent", handle))
        try:
            # Its age is part of what is signed: a key without expiry lives no longer.
            plain = self._box.decrypt(sealed if isinstance(sealed, bytes) else b"", ttl=LENT_S)
        except InvalidToken:
            raise Denied(GONE, 401) from None
        loan = msgspec.json.decode(plain, type=_Loan)
        if loan.project != project:
            raise Denied(GONE, 401)
        return SecretStr(loan.token)

    def drop(self, handle: str) -> None:
        """Forget a token now."""
        self._redis.delete(name("lent", handle))
