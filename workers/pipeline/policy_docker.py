"""The rules for Dockerfile and `.dockerignore`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from workers.pipeline import forbidden, slots
from workers.pipeline.images import host
from workers.pipeline.plan import Plan

_KEYWORDS = frozenset(
    {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
)
_SECRET = re.compile(r"token|passw|secret|private|credential|api_?key", re.IGNORECASE)
_PREFIX = "${BASE_REGISTRY}/"
_IGNORED = frozenset({".git", ".env*"})
_FOLDERS = re.compile(r"(?!--from)(?:--\S+ )*(?:\.|\S+/) ")
"""What copies all of a folder of the repository."""


def check(plan: Plan, files: Mapping[str, str]) -> Iterator[str]:
    """Violations of the two files; see `policy` for the codes."""
    text = files.get("Dockerfile")
    if (text is None) != (plan.dockerfile is None):
        yield "docker-plan: Dockerfile: the plan and the files disagree on whether one is written"
    if text is None or plan.dockerfile is None:
        if ".dockerignore" in files:
            yield "docker-plan: .dockerignore: stands without a Dockerfile"
        return
    planned = set(_instructions(slots.fill(plan.dockerfile, plan.fills)))
    instructions = list(_instructions(text))
    for keyword, rest in instructions:
        yield from _instruction(keyword, rest, (keyword, rest) in planned)
    yield from _images(plan, instructions)
    yield from _user(instructions)
    yield from _entry(instructions)
    if any(keyword == "COPY" and _FOLDERS.match(rest) for keyword, rest in instructions):
        yield from _ignore(files.get(".dockerignore"))


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """(keyword, arguments) of each instruction, continuations joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        if line.strip():
            keyword, _, rest = line.strip().partition(" ")
            yield keyword.upper(), rest.strip()


def _instruction(keyword: str, rest: str, planned: bool) -> Iterator[str]:
    if keyword not in _KEYWORDS:
        yield f"docker-keyword: {keyword[:20]} is not allowed"
    if keyword in ("ARG", "ENV"):
        names = [word.partition("=")[0] for word in rest.split()]
        if any(_SECRET.search(name) for name in names):
            yield f"docker-secret: {keyword} {rest[:60]!r} names a secret, and images keep"
    for fault in forbidden.faults(rest):
        yield f"docker-line: {keyword} {rest[:60]!r} {fault}"
    if not planned:
        yield f"docker-line: {keyword} {rest[:60]!r} is no template's line"


def _images(plan: Plan, instructions: list[tuple[str, str]]) -> Iterator[str]:
    table = plan.image_table()
    stages: set[str] = set()
    for rest in (rest for keyword, rest in instructions if keyword == "FROM"):
        words = rest.split()
        image = words[0].removeprefix(_PREFIX).removeprefix("library/")
        # Docker Hub's images come through the mirror; another registry's name their host.
        known = image in table and words[0].startswith(_PREFIX) != bool(host(image))
        if not known and words[0] != "scratch" and words[0] not in stages:
            yield f"docker-image: {words[0][:80]!r} is not in the table of images"
        if len(words) == 3 and words[1].upper() == "AS":
            stages.add(words[2])


def _user(instructions: list[tuple[str, str]]) -> Iterator[str]:
    """The last USER of the last stage decides; Kubernetes can only check a number."""
    last = None
    for keyword, rest in instructions:
        last = None if keyword == "FROM" else rest if keyword == "USER" else last
    if last is None or not re.fullmatch(r"[1-9][0-9]*(?::[1-9][0-9]*)?", last):
        yield "docker-user: the image does not end with a numeric user other than root"


def _entry(instructions: list[tuple[str, str]]) -> Iterator[str]:
    entries = [rest for keyword, rest in instructions if keyword in ("ENTRYPOINT", "CMD")]
    if not entries:
        yield "docker-entry: the image starts nothing"
    for rest in entries:
        try:
            words = json.loads(rest)
        except ValueError:
            words = None
        if not isinstance(words, list) or not words or not all(isinstance(w, str) for w in words):
            yield f"docker-entry: {rest[:60]!r} is not in exec form"


def _ignore(text: str | None) -> Iterator[str]:
    lines = set(text.split()) if text else set()
    missing = sorted(_IGNORED - lines)
    if missing:
        yield f"docker-ignore: everything is copied, and .dockerignore lacks {', '.join(missing)}"
