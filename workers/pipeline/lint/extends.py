"""`extends`: every top-level key takes over what it names (lib/gitlab/ci/config/extendable)."""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint.document import MAX_NODES
from workers.pipeline.lint.findings import Sink, chain, quoted
from workers.pipeline.lint.syntax import refuse
from workers.pipeline.lint.tree import Map, Opaque, Seq

MAX_EXTENDS: Final = 11
_MERGE_BUDGET: Final = 4 * MAX_NODES


class Extended:
    """The top-level keys with what they extend merged in."""

    def __init__(self, body: Map, lenient: bool, sink: Sink) -> None:
        self._body = body
        self._lenient = lenient
        self._sink = sink
        self._done: dict[str, Any] = {}
        self._budget = _MERGE_BUDGET
        self._levels: dict[str, int] = {}
        self.partial: set[str] = set()

    def all(self) -> Map:
        """The whole body after `extends`. Raises `Unreadable` if that grows without bound."""
        result = Map(self._body.line)
        result.odd.update(self._body.odd)
        for key in self._body:
            result.put(key, self._extend(key, ()), self._body.line_of(key))
        return result

    def _extend(self, key: str, path: tuple[str, ...]) -> Any:
        if key in self._done:
            return self._done[key]
        value = self._body[key]
        if not isinstance(value, Map) or value.get("extends") is None:
            self._done[key] = value
            return value
        if key in path:
            self._circular(key, path)
            return value
        if len(path) > MAX_EXTENDS:
            # The key that this way began at counts one level too many, and is told so below.
            return value
        merged: Map = Map(value.line)
        level = 0
        for base in self._bases(key, value):
            parent = self._extend(base, (*path, key))
            level = max(level, 1 + self._levels.get(base, 0))
            if base in self.partial:
                self.partial.add(key)
            merged = self._merge(merged, parent)
        if level == MAX_EXTENDS + 1:
            self._too_deep(key)
        self._levels[key] = level
        self._done[key] = self._merge(merged, value)
        return self._done[key]

    def _bases(self, key: str, value: Map) -> list[str]:
        named = value["extends"]
        line = value.line_of("extends")
        names = list(named) if isinstance(named, Seq) else [named]
        found: list[str] = []
        for index, name in enumerate(names):
            at = named.line_of(index) if isinstance(named, Seq) else line
            if isinstance(name, Opaque) or not isinstance(name, str):
                self.partial.add(key)
            elif name not in self._body:
                self._unknown(key, name, at)
            elif not isinstance(self._body[name], Map):
                self.partial.add(key)
                message = f"{quoted(key)} extends {quoted(name)}, which is not a job"
                self._sink.error("bad-extends", message, at, "extend a mapping of keywords")
            else:
                found.append(name)
        return found

    def _unknown(self, key: str, name: str, line: int) -> None:
        self.partial.add(key)
        message = f"{quoted(key)} extends {quoted(name)}, which is not defined"
        if self._lenient:
            fix = "check that an included file defines it"
            self._sink.warning("unknown-extends", f"{message} in this file", line, fix)
            return
        fix = self._sink.suggest(name, self._body, "define it, or remove the `extends`")
        self._sink.error("unknown-extends", message, line, fix)

    def _circular(self, key: str, path: tuple[str, ...]) -> None:
        ring = [*path[path.index(key) :], key]
        self.partial.update(ring)
        first = self._body[min(ring, key=lambda name: self._body.line_of(name))]
        self._sink.error(
            "circular-extends",
            f"`extends` goes in a circle: {chain(ring)}",
            first.line_of("extends"),
            "remove one `extends` of the circle",
        )

    def _too_deep(self, key: str) -> None:
        self.partial.add(key)
        message = f"{quoted(key)} extends over more than {MAX_EXTENDS} levels"
        self._sink.error(
            "deep-extends", message, self._body[key].line_of("extends"), "extend fewer levels"
        )

    def _merge(self, base: Map, over: Map) -> Map:
        """Deep merge: mappings are merged, everything else is replaced."""
        self._budget -= len(base) + len(over)
        if self._budget < 0:
            message = "`extends` makes the file grow beyond what GitLab reads"
            raise refuse("too-big", message, over.line, "extend smaller templates")
        merged = base.copy()
        merged.line = over.line
        for key, value in over.items():
            old = base.get(key)
            if isinstance(old, Map) and isinstance(value, Map):
                value = self._merge(old, value)
            merged.put(key, value, over.line_of(key))
        merged.odd.update(over.odd)
        return merged
