"""JavaScript without any manifest: scripts that may only help a container of something else."""

from __future__ import annotations

import re

from workers.detect.ecosystems import node_scripts
from workers.detect.extras import DOCKERFILES
from workers.detect.found import Folder, Found

BESIDE = 0.3
"""What sources without a manifest count; package.json speaks for what stands beside it."""
ENTRY = re.compile(r"(index|server|app|main)\.[cm]?[jt]s")
RUNTIME = re.compile(r"\b(node|nodejs|npm|npx|bun|deno)\b")


def refine(folder: Folder, found: Found) -> None:
    """Beside a Dockerfile that runs no JavaScript, a script without an entry's name only helps."""
    if not folder.has("package.json"):
        node_scripts.nodes_own_tests(found, folder)
    if found.manifests and folder.has("package.json"):
        found.strength = BESIDE  # a Meteor application of today has both
    file = folder.has(*DOCKERFILES)
    if not file or any(ENTRY.fullmatch(name) for name in folder.names):
        return
    if not RUNTIME.search(folder.text(file, rank=2) or "node"):
        found.strength = 0.05
