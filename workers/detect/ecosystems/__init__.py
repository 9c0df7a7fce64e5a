"""One module per ecosystem. Each has `inspect(folder) -> Found | None`, run again as files arrive."""

from __future__ import annotations

from collections.abc import Callable

from workers.detect.ecosystems import go, jvm, node, python
from workers.detect.found import Folder, Found

ECOSYSTEMS: tuple[Callable[[Folder], Found | None], ...] = (
    node.inspect,
    python.inspect,
    go.inspect,
    jvm.inspect,
)
