"""JavaScript without any manifest: scripts that may only help a container of something else."""

from __future__ import annotations

import re

from workers.detect.extras import DOCKERFILES
from workers.detect.found import Folder, Found

ENTRY = re.compile(r"(index|server|app|main)\.[cm]?[jt]s")
RUNTIME = re.compile(r"\b(node|nodejs|npm|npx|bun|deno)\b")


def refine(folder: Folder, found: Found) -> None:
    """Beside a Dockerfile that runs no JavaScript, a script without an entry's name only helps."""
    file = folder.has(*DOCKERFILES)
    if not file or any(ENTRY.fullmatch(name) for name in folder.names):
        return
    if not RUNTIME.search(folder.text(file, rank=2) or "node"):
        found.strength = 0.05
