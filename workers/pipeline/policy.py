"""What may be committed. Deny by default, judged on the files as rendered, before every commit.

The rules do not trust the renderer: they parse its output again. A violation is one line that
starts with its code. Codes are grouped by what they judge:

    slots       slot
    files       file, size, characters, secret, yaml
    pipeline    keyword, stages, learn, job, image, variable, line, masked, path, rule, reference
    Dockerfile  docker-plan, docker-keyword, docker-image, docker-user, docker-secret, docker-line,
                docker-entry, docker-ignore
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workers.pipeline import policy_docker, policy_pipeline, slots
from workers.pipeline.plan import Plan

FILES = (".gitlab-ci.yml", "Dockerfile", ".dockerignore")
MAX_BYTES = 64 * 1024
MAX_BYTES_OF_SEVERAL = 192 * 1024
"""Of the pipeline of several apps; GitLab itself takes 2 MiB."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""Control characters, and those that hide text or turn its direction."""

_SECRET = re.compile(
    r"(?:glpat|gldt|glrt|glcbt|glptt|glft|glsoat)-[\w-]{10}|whsec_[\w+/]{10}|AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_\w{20}|xox[abprs]-\w{8}|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[\w-]{10,}\.eyJ[\w-]{10}"
    r"|://[^/\s:@$]+:[^/\s:@$]{3,}@(?!(?:postgres|mysql|mariadb|rabbitmq):)"
)
"""Shapes of real credentials. The fixed user and password of a test's own server are none."""


def check(plan: Plan, files: Mapping[str, str]) -> list[str]:
    """Every violation, in order of the files; an empty list means that it may be committed."""
    most = MAX_BYTES_OF_SEVERAL if plan.apps else MAX_BYTES
    return [*_slots(plan), *_files(files, most), *_documents(plan, files, most)]


def _documents(plan: Plan, files: Mapping[str, str], most: int) -> Iterator[str]:
    if ".gitlab-ci.yml" not in files:
        yield "file: .gitlab-ci.yml is missing"
        return
    yield from policy_pipeline.check(plan, files[".gitlab-ci.yml"][: most + 1])
    yield from policy_docker.check(plan, files)


def _slots(plan: Plan) -> Iterator[str]:
    """Every value must be of its slot's grammar, or the template's own default."""
    for app in plan.apps:
        if not slots.accepts("path", app.path, None):
            yield f"slot: {app.path[:60]!r} is no folder of an app"
    for name, value in plan.choices.items():
        kind = plan.kinds.get(name)
        if kind is None:
            yield f"slot: {name} is not declared by the template"
        elif value in ("", plan.defaults.get(name)):
            continue
        elif not slots.accepts(kind, value, plan.ecosystem_of(name)):
            yield f"slot: {name}: {value[:60]!r} is no {kind}"


def _files(files: Mapping[str, str], most: int) -> Iterator[str]:
    for path, text in files.items():
        if path not in FILES:
            yield f"file: {path[:80]!r} is none of {', '.join(FILES)}"
        if len(text.encode(errors="replace")) > most:
            yield f"size: {path[:80]} is larger than {most // 1024} KiB"
        if _CONTROL.search(text):
            yield f"characters: {path[:80]} holds control or direction characters"
        if _SECRET.search(text):
            yield f"secret: {path[:80]} holds what looks like a credential"
