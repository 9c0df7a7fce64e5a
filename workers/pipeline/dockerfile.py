"""The text of a generated Dockerfile."""

from __future__ import annotations

import json
import re

_COPY = re.compile(r"(?m)^COPY (?!--from)(.+) (\S+)$")
_ROOT_ONLY = frozenset({".git", ".gitlab-ci.yml", "Dockerfile", ".dockerignore"})


def assemble(text: str, entrypoint: tuple[str, ...]) -> str:
    """A template's text with its last lines: the port, dropped where unknown, and the program."""
    if not entrypoint:
        return text
    return f"{text.rstrip()}\nEXPOSE $[[ port ]]\nENTRYPOINT {json.dumps(entrypoint)}\n"


def from_root(text: str, folder: str) -> str:
    """`text` for an app in `folder` of the repository, built from the root: `docker build .`"""

    def inside(copy: re.Match[str]) -> str:
        words = (w if w.startswith("--") else _below(w, folder) for w in copy[1].split())
        return f"COPY {' '.join(words)} {copy[2]}"

    return _COPY.sub(inside, text)


def ignored_from_root(text: str, folder: str) -> str:
    """`.dockerignore` for the same: its patterns count at the root and in the app's folder."""
    lines = text.splitlines()
    own = [_ignored(line, folder) for line in lines if line not in _ROOT_ONLY and line[:2] != "**"]
    return "".join(f"{line}\n" for line in [*lines, *own])


def _ignored(line: str, folder: str) -> str:
    return f"!{folder}/{line[1:]}" if line.startswith("!") else f"{folder}/{line}"


def _below(path: str, folder: str) -> str:
    return f"{folder}/" if path == "." else f"{folder}/{path}"
