"""One module per ecosystem; each has `inspect(folder) -> Found | None`, run as files arrive."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

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
    shell,
    static,
)
from workers.detect.found import Folder, Found


@cache
def inspectors() -> tuple[Callable[[Folder], Found | None], ...]:
    """Every ecosystem's `inspect`; of equal scores the earlier wins."""
    return (
        node.inspect,
        python.inspect,
        go.inspect,
        jvm.inspect,
        scala.inspect,
        clojure.inspect,
        dotnet.inspect,
        deno.inspect,
        *plain.inspectors(),
        native.inspect,
        static.inspect,
        infra.terraform,
        infra.ansible,
        infra.helm,
        infra.docker,
        shell.inspect,
    )
