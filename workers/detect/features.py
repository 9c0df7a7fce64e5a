"""Words that describe a stack, all of them from our own rules: nothing of the repository's text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workers.detect.extras import Extra
from workers.detect.found import Found
from workers.detect.frameworks import known_words
from workers.detect.rules import table


def words(best: Found, others: list[Found], monorepo: str | None, extra: Extra) -> tuple[str, ...]:
    """Sorted, each once: `language:go`, `service:postgres`, `lint:ruff`, `dependency:redis` …"""
    found = set(_of(best))
    found |= {f"with:{one.framework or one.language}" for one in others}
    found |= {f"service:{service.name}" for service in extra.services}
    found |= {f"ci:{file.lstrip('.').partition('/')[0]}" for file in extra.ci_files[:3]}
    if monorepo:
        found.add(f"monorepo:{monorepo}")
    if extra.dockerfile:
        found.add("has:dockerfile")
    return tuple(sorted(found))


def _of(best: Found) -> Iterator[str]:
    for kind, value in (
        ("language", best.language),
        ("ecosystem", best.ecosystem),
        ("framework", best.framework),
        ("manager", best.package_manager),
        ("test", best.test_tool),
        ("coverage", best.coverage_tool),
        ("version", best.version),
    ):
        if value:
            yield f"{kind}:{value}"
    yield from (f"lint:{name}" for name in best.linters)
    yield from (f"dependency:{name}" for name in _known(best.dependencies))
    # what templates ask for by its own name
    yield from (name for name in table("services")["plain"] if name in best.dependencies)
    if best.has_tests:
        yield "has:tests"
    if "wrapper" in best.facts:
        yield "has:wrapper"


def _known(names: Iterable[str]) -> list[str]:
    listed = known_words() | set(table("services")["words"])
    return [name for name in names if name in listed]
