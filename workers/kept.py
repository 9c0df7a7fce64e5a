"""Secrets that are made at the first start and kept in the data folder, readable by their owner;
and the address that the receiver runs under, for commands of other shells.

API tokens are kept as hashes: whoever reads the folder cannot sign in with what stands there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from workers.errors import Misconfigured

SHORTEST = 16
"""Characters; what is shorter was cut off or written by hand."""


HASHED = "hashed:"
"""Before the hash of an API token, in the data folder and in DEVOPS_BACKEND_API_TOKENS."""


def proof(token: str) -> bytes:
    """What a session holds in a token's place: made from the token, and no way back to it."""
    raw = token.encode("utf-8", "surrogateescape")
    return hmac.digest(raw, b"devops-backend API token", "sha256")


def hashed(token: str) -> str:
    """An API token as it is kept. Made of 256 random bits, it needs no salt and no slow hash."""
    return HASHED + hashlib.sha256(proof(token)).hexdigest()


def kept_api_token(path: Path) -> tuple[str, str | None]:
    """The hash of the API token kept in `path`, and the token itself where it was made now.

    A token kept as it is, by a version of before, is hashed. Raises Misconfigured.
    """
    kept, made = kept_secret(path, hashed)
    if kept.startswith(HASHED):
        return kept, made
    try:
        draft = _draft(path, hashed(kept))
        os.replace(draft, path)
    except OSError as error:
        raise _unusable(path, error) from None
    return hashed(kept), None


def kept_secret(path: Path, stored: Callable[[str], str] = str) -> tuple[str, str | None]:
    """What is kept in `path`, and the secret itself where it was made now, else None.

    `stored` is how a new secret is written down: as it is, or as its hash. Raises Misconfigured.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            try:
                secret = secrets.token_urlsafe(32)
                _write(path, stored(secret))
                return stored(secret), secret
            except FileExistsError:
                # Another process of ours was faster; its secret is whole, since it was linked in.
                return path.read_text().strip(), None
        kept = path.read_text().strip()
    except OSError as error:
        raise _unusable(path, error) from None
    if len(kept) < SHORTEST:
        raise Misconfigured(f"DEVOPS_BACKEND_DATA: {path} is damaged; delete it to make a new one")
    return kept, None


def keep_url(data: Path, url: str) -> None:
    """Keep the receiver's address in the data folder. Raises Misconfigured."""
    place = data / "receiver"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.mkdir(exist_ok=True, mode=0o700)
        os.replace(_draft(place / "url", url), place / "url")
    except OSError as error:
        raise _unusable(place, error) from None


def kept_url(data: Path) -> str | None:
    """The address that the receiver of this data folder was started under last; None without."""
    try:
        return (data / "receiver" / "url").read_text().strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(data / "receiver", error) from None


def _unusable(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured(f"DEVOPS_BACKEND_DATA: {path.parent} cannot be used ({error.strerror})")


def _write(path: Path, text: str) -> None:
    """A new file, whole from its first moment. Raises FileExistsError where there is one."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    finally:
        os.unlink(draft)


def _draft(path: Path, text: str) -> str:
    """The text in a file beside `path`, for its owner only (mode 0600)."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    return draft
