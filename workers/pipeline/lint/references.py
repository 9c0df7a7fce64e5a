"""`!reference [key, path…]`: replaced by what stands there after `extends`.

Source: lib/gitlab/ci/config/yaml/tags/{base,reference}.rb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from workers.pipeline.lint.findings import Sink, quoted
from workers.pipeline.lint.syntax import refuse
from workers.pipeline.lint.tree import Map, Opaque, Reference, Seq

# No reference of a person goes through this many containers; Python's stack ends at 1000 calls.
MAX_REFERENCE_DEPTH: Final = 150


class References:
    """Replaces `!reference [key, path…]` by what stands there after `extends`."""

    def __init__(self, body: Map, lenient: bool, sink: Sink) -> None:
        self._body = body
        self._lenient = lenient
        self._sink = sink
        self._done: dict[int, Any] = {}
        self._open: dict[int, Any] = {}

    def all(self) -> Map:
        """The whole body without references."""
        resolved = self._resolve(self._body, self._body.line)
        assert isinstance(resolved, Map)
        return resolved

    def _resolve(self, value: Any, line: int) -> Any:
        if not isinstance(value, (Map, Seq)):
            return value
        if id(value) in self._done:
            return self._done[id(value)]
        if id(value) in self._open:
            ring = [node for node in self._open.values() if isinstance(node, Reference)]
            message = f"{_shown(ring[-1] if ring else value)} is part of a circle of references"
            self._sink.error("circular-reference", message, line, "break the circle")
            return Opaque("")
        if len(self._open) >= MAX_REFERENCE_DEPTH:
            raise refuse("deep-reference", "references lead too deep", line, "nest fewer of them")
        self._open[id(value)] = value
        rebuild: Callable[[Any, int], Any] = (
            self._look_up if isinstance(value, Reference) else self._rebuild
        )
        result = rebuild(value, line)
        del self._open[id(value)]
        self._done[id(value)] = result
        return result

    def _rebuild(self, value: Map | Seq, line: int) -> Any:
        if isinstance(value, Seq):
            items = Seq(value.line)
            for index, item in enumerate(value):
                items.add(self._resolve(item, value.line_of(index)), value.line_of(index))
            return items
        result = Map(value.line)
        result.odd.update(value.odd)
        for key, item in value.items():
            result.put(key, self._resolve(item, value.line_of(key)), value.line_of(key))
        return result

    def _look_up(self, reference: Reference, line: int) -> Any:
        path = [str(part) for part in reference if isinstance(part, str)]
        if not path or len(path) != len(reference):
            message = f"{_shown(reference)} is not a list of names"
            self._sink.error("bad-reference", message, line, "write `!reference [.job, script]`")
            return Opaque("")
        target: Any = self._body
        for part in path:
            target = target.get(part) if isinstance(target, Map) else None
        if target is None or target is False:
            self._missing(reference, path, line)
            return Opaque("")
        return self._resolve(target, line)

    def _missing(self, reference: Reference, path: list[str], line: int) -> None:
        message = f"{_shown(reference)} points to nothing"
        if self._lenient:
            fix = "check that an included file defines it"
            self._sink.warning("unknown-reference", f"{message} in this file", line, fix)
            return
        known = self._body.get(path[0])
        names, missing = self._body, path[0]
        if isinstance(known, Map) and len(path) > 1:
            names, missing = known, path[1]
        other = f"define {quoted(missing)}, or remove the reference"
        fix = self._sink.suggest(missing, names, other)
        self._sink.error("unknown-reference", message, line, fix)


def _shown(reference: Map | Seq) -> str:
    names = ", ".join(str(part) for part in list(reference)[:6] if isinstance(part, str))
    return quoted(f"!reference [{names}]")
