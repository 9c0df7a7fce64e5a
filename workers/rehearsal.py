"""A run without GitLab and without Redis, in the worker's parent, before it first forks.

What a run reads and compiles once (rules of detection, the CI schema, regular expressions, how
YAML reads a word) is then there in every fork, instead of being made in each: half of a job's CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import structlog

from workers.detect.analysis import Entry, Listing
from workers.errors import BackendError
from workers.pipeline.render import render
from workers.steps.analyze import analyze
from workers.steps.generate import generate
from workers.steps.retrieve import from_templates
from workers.steps.validate import validate
from workers.wiring import Parts

log = structlog.get_logger(__name__)

_REPOSITORIES: tuple[Mapping[str, str], ...] = (
    {
        "package.json": '{"name": "a", "scripts": {"build": "tsc", "test": "jest"},'
        ' "dependencies": {"express": "5"}, "devDependencies": {"jest": "30"}}',
        "package-lock.json": "{}",
        "index.js": "require('express')().listen(3000)\n",
    },
    {
        "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["flask"]\n',
        "app.py": "from flask import Flask\napp = Flask(__name__)\n",
        "tests/test_app.py": "import pytest\n",
    },
)


class _Repository:
    """A `Source` over files in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        depth = path.count("/") + 1 if path else 0
        found = [entry for entry in self._entries(path) if entry.path.count("/") == depth]
        return Listing(tuple(found[:limit]), len(found) <= limit)

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        found = list(self._entries(path))
        return Listing(tuple(found[:limit]), len(found) <= limit)

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        return {p: self._files[p].encode()[:max_bytes] for p in paths if p in self._files}

    def languages(self) -> Mapping[str, float]:
        return {}

    def _entries(self, below: str) -> Iterator[Entry]:
        folders = {path.rpartition("/")[0] for path in self._files} - {""}
        every = [Entry(f, "tree", "040000") for f in folders]
        every += [Entry(path, "blob") for path in self._files]
        prefix = f"{below}/" if below else ""
        return (e for e in sorted(every, key=lambda e: e.path) if e.path.startswith(prefix))


def rehearse(parts: Parts) -> None:
    """Go through the steps that write nothing. What does not work here is told by a real run."""
    for files in _REPOSITORIES:
        try:
            analysis = analyze(_Repository(files))
            reference = from_templates(analysis, None, parts.templates)
            made = generate(analysis, reference, parts.site("main"), None)
            validate(render(made.plan))
        except BackendError as error:
            log.warning("the rehearsal of a run broke off", reason=str(error))
