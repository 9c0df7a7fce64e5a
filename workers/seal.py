"""Seals: a keyed signature under what lies in stores that others might write to.

Redis and Chroma know no signatures; whoever reaches their ports could put a record there. What
does not carry our seal is not ours, and is not used. HMAC-SHA256 (RFC 2104).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from pydantic import SecretStr

DIGITS = 32
"""Hexadecimal; 128 bits of the 256, as RFC 2104, section 5 allows."""


def derived(key: SecretStr, purpose: str) -> bytes:
    """A key of its own for each purpose, 32 bytes: what one signs, no other takes."""
    return hmac.digest(key.get_secret_value().encode(), purpose.encode(), "sha256")


class Seal:
    """Signs and checks for one purpose. Nothing here shows the key."""

    def __init__(self, key: SecretStr, purpose: str) -> None:
        self._key = derived(key, purpose)

    def of(self, *parts: str | bytes) -> str:
        """The seal of these parts, in this order: 32 hexadecimal digits."""
        return hmac.digest(self._key, _joined(parts), "sha256").hex()[:DIGITS]

    def holds(self, seal: str, *parts: str | bytes) -> bool:
        """Whether `seal` is the one of these parts; takes as long for every wrong one."""
        return equal(self.of(*parts), seal)


def equal(right: str, given: str) -> bool:
    """Whether it is the right one; takes as long for every wrong one of its length."""
    return hmac.compare_digest(right.encode(), given.encode("utf-8", "replace"))


def _joined(parts: Iterable[str | bytes]) -> bytes:
    """Each part after its length: no two lists of parts are the same bytes."""
    raw = [part.encode("utf-8", "replace") if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in raw)
