"""Secrets that are made at the first start and kept in the data folder, readable by their owner."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from workers.errors import Misconfigured

SHORTEST = 16
"""Characters; what is shorter was cut off or written by hand."""


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
        raise Misconfigured(
            f"DEVOPS_BACKEND_DATA: {path.parent} cannot be used ({error.strerror})"
        ) from None
    if len(kept) < SHORTEST:
        raise Misconfigured(f"DEVOPS_BACKEND_DATA: {path} is damaged; delete it to make a new one")
    return kept, None


def _write(path: Path, text: str) -> None:
    """A new file, whole from its first moment. Raises FileExistsError where there is one."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        os.link(draft, path)
    finally:
        os.unlink(draft)
