"""The words that describe a stack: what vectors and learned records are made from.

Only words of our own tables get through. A repository's own names (private packages, scripts,
paths) stay out, since what is learned from one project is offered to others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from workers.detect.analysis import Analysis
from workers.detect.rules import table

_WORD = re.compile(r"[a-z0-9][a-z0-9 .+_-]{0,39}")


def features(analysis: Analysis) -> tuple[str, ...]:
    """Sorted words `kind:name`: tools the detection names, dependencies that its tables know."""
    named = {
        "language": (analysis.language,),
        "framework": (analysis.framework,),
        "manager": (analysis.package_manager,),
        "ecosystem": (analysis.ecosystem,),
        "test": (analysis.test_tool,),
        "coverage": (analysis.coverage_tool,),
        "monorepo": (analysis.monorepo,),
        "linter": analysis.linters,
    }
    words = {
        f"{kind}:{name}"
        for kind, names in named.items()
        for name in names
        if name and _WORD.fullmatch(name)
    }
    words |= {f"uses:{name}" for name in analysis.features if name in _known()}
    return tuple(sorted(words))


@cache
def _known() -> frozenset[str]:
    """Every dependency that detection's tables name, without those that hold a wildcard."""
    names = _dependencies([table("frameworks"), table("tools")])
    return frozenset(name for name in names if "*" not in name)


def _dependencies(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _dependencies(entry)
    elif isinstance(value, dict):
        yield from (name for name in value.get("dependencies", ()) if isinstance(name, str))
        for entry in value.values():
            yield from _dependencies(entry)
