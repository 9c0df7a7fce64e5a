"""One module per ecosystem; each has `inspect(folder) -> Found | None`, run as files arrive."""

from __future__ import annotations

from collections.abc import Callable

from workers.detect.ecosystems import (
    clojure,
    deno,
    dotnet,
    go,
    infra,
    jvm,
    native,
    node,
    plain,
    python,
    scala,
    static,
)
from workers.detect.found import Folder, Found

ECOSYSTEMS: tuple[Callable[[Folder], Found | None], ...] = (
    node.inspect,
    python.inspect,
    go.inspect,
    jvm.inspect,
    scala.inspect,
    clojure.inspect,
    dotnet.inspect,
    deno.inspect,
    *(plain.inspector(name) for name in plain.NAMES),
    native.inspect,
    static.inspect,
    infra.terraform,
    infra.ansible,
    infra.helm,
    infra.docker,
    infra.shell,
)
