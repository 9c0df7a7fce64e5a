"""A process that forks for each repository, as a worker does, and says what each has cost.

    python -m tests.support.measured < questions.json > answers.json

A question is a project of a GitLab, or a folder's worth of files; an answer is what became of it,
its wall seconds, and the largest resident memory of the fork, its parent's share included.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from pydantic import SecretStr

from tests.support.corpus import MemorySource
from workers import preview
from workers.errors import BackendError
from workers.settings import Settings
from workers.wiring import Parts

DEADLINE_S = 90


class Question(msgspec.Struct, frozen=True):
    """Either `project` at `url`, or `files` (path to text)."""

    url: str = "http://127.0.0.1:9"
    token: str = "none"
    project: str = ""
    files: dict[str, str] = {}


class Cost(msgspec.Struct, frozen=True):
    """`outcome` is the language found, or the error's name and text."""

    outcome: str
    seconds: float
    megabytes: float


def _carry_out(question: Question) -> str:
    settings = Settings.load(
        _env_file=None, gitlab_url=question.url, gitlab_token=SecretStr(question.token),
        redis_url="", chroma_url="", ollama_model="",
    )  # fmt: skip
    parts = Parts(settings)
    try:
        if question.project:
            subject = preview.of_project(parts, question.project)
        else:
            blobs = {path: text.encode() for path, text in question.files.items()}
            subject = preview.Subject(parts, MemorySource(blobs))
        made = preview.generate(subject, template_only=True)
    except BackendError as error:
        return f"{type(error).__name__}: {error}"
    return made.analysis.language or "unknown"


def measure(question: Question) -> Cost:
    """One question in a fork of this process."""
    with tempfile.TemporaryDirectory() as folder:
        said, began = Path(folder) / "said", time.monotonic()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(DEADLINE_S)
                said.write_text(_carry_out(question))
                code = 0
            finally:
                os._exit(code)
        _, status, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - began
        outcome = said.read_text() if status == 0 else f"died with status {status}"
    return Cost(outcome[:300], seconds, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    # Rules, schema and templates are read once, before any fork, as a worker's parent does.
    _carry_out(Question(files={"go.mod": "module x\n\ngo 1.22\n", "main.go": "package main\n"}))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
    sys.stdout.buffer.write(msgspec.json.encode([measure(question) for question in asked]))
