"""The API tokens and the dashboard's sessions: who somebody is, and what that token may do.

A token may be given a role in front: `read:<token>` sees everything, `operate:<token>` also starts
runs and replays, `admin:<token>`, or one without a role, also forgets. What is sent is the token
without its role. A token may stand there as its hash (`kept.hashed`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from enum import IntEnum

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from workers import kept
from workers.seal import derived

SESSION_S = 12 * 3600


class Role(IntEnum):
    """What a token may do; each may do what those before it may."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


class Session(msgspec.Struct, frozen=True):
    """A signed-in browser. `csrf` stands in every form of its pages."""

    csrf: str
    role: Role
    caller: str
    """Whose, by the hash of its token."""


class Caller(msgspec.Struct, frozen=True):
    """Whose token it is, by its hash, and what it may do."""

    id: str
    role: Role


class Keys:
    """The API tokens, known by their hashes only, and the sessions made from them.

    A session's cookie holds, encrypted, what only the token's owner can make; its hash is compared
    like a token's. So nobody who reads the data folder can make one, and it ends when its token is
    taken out of the settings.
    """

    def __init__(self, tokens: Iterable[SecretStr], key: SecretStr, *, secure: bool) -> None:
        self._known = tuple(_known(token.get_secret_value()) for token in tokens)
        made = base64.urlsafe_b64encode(derived(key, "devops-backend dashboard sessions"))
        self._box = Fernet(made)
        self.secure = secure
        # The prefix makes browsers refuse a cookie set by a neighbour domain (RFC 6265bis, 4.1.3).
        self.cookie = "__Host-devops-backend" if secure else "devops-backend"

    def caller(self, token: str) -> Caller | None:
        """Whose API token this is; None where it is none. Every hash is compared."""
        return self._find(kept.proof(token))

    def new_session(self, token: str) -> str | None:
        """The cookie's value for a session of this token; None where it is not one."""
        proof = kept.proof(token)
        if self._find(proof) is None:
            return None
        # A cookie's value is written in quotes where it holds a "=".
        return self._box.encrypt(proof + secrets.token_bytes(16)).decode().rstrip("=")

    def session(self, cookie: str, now: float | None = None) -> Session | None:
        """The session of a cookie; None where it is forged or over."""
        sealed = cookie.encode("utf-8", "replace") + b"=" * (-len(cookie) % 4)
        try:
            content = self._box.decrypt_at_time(sealed, SESSION_S, int(now or time.time()))
        except InvalidToken:
            return None
        caller = self._find(content[:32])
        csrf = hmac.digest(content[:32], b"csrf" + content[32:], "sha256").hex()
        return Session(csrf, caller.role, caller.id) if caller else None

    def _find(self, proof: bytes) -> Caller | None:
        digest = hashlib.sha256(proof).hexdigest()
        found = [known for known in self._known if hmac.compare_digest(known.id, digest)]
        return found[0] if found else None


def _known(setting: str) -> Caller:
    name, _, rest = setting.partition(":")
    role = Role.__members__.get(name.upper()) if rest else None
    token = rest if role else setting
    digest = token if token.startswith(kept.HASHED) else kept.hashed(token)
    return Caller(digest.removeprefix(kept.HASHED).lower(), role or Role.ADMIN)
