"""From what is written to what GitLab judges: inputs, then `extends`, then `!reference`.

The order is GitLab's (lib/gitlab/ci/config.rb): inputs are filled in, every top-level key takes
over what it extends, and only then the references are looked up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from workers.pipeline.lint.document import MAX_NODES, Map, Reference, Seq, refuse
from workers.pipeline.lint.findings import Sink, listed, quoted

MAX_EXTENDS: Final = 11
# No reference of a person goes through this many containers; Python's stack ends at 1000 calls.
MAX_REFERENCE_DEPTH: Final = 150
_INTERPOLATION = re.compile(r"\$\[\[([^\[\]]{0,300})\]\]")
_INPUT = re.compile(r"inputs\.([A-Za-z0-9_-]+)")
_MERGE_BUDGET: Final = 4 * MAX_NODES


class Opaque(str):
    """A value that only GitLab can know: an input without default, a reference into an include."""

    __slots__ = ()


class Inputs:
    """Fills `$[[ inputs.x ]]` from the defaults that the header declares."""

    def __init__(self, header: Map, sink: Sink) -> None:
        spec = header.get("spec")
        declared = spec.get("inputs") if isinstance(spec, Map) else None
        self._declared: Map = declared if isinstance(declared, Map) else Map(header.line)
        self._open = isinstance(spec, Map) and "include" in spec
        self._sink = sink
        self._done: dict[int, Any] = {}
        for name, rules in self._declared.items():
            if not isinstance(rules, Map) or not ({"default", "rules"} & set(rules)):
                sink.warning(
                    "required-input",
                    f"the input {quoted(name)} has no default: this file works only by `include`",
                    self._declared.line_of(name),
                    "add a `default:`",
                )

    def fill(self, value: Any, line: int) -> Any:
        """The value with its inputs filled in; containers are copied only where they change."""
        if isinstance(value, (Map, Seq)):
            if id(value) not in self._done:
                self._done[id(value)] = self._container(value)
            return self._done[id(value)]
        if isinstance(value, str) and "$[[" in value:
            return self._text(value, line)
        return value

    def _container(self, value: Map | Seq) -> Map | Seq:
        if isinstance(value, Seq):
            items = type(value)(value.line)
            for index, item in enumerate(value):
                items.add(self.fill(item, value.line_of(index)), value.line_of(index))
            return items
        filled = Map(value.line)
        filled.odd.update(value.odd)
        for key, item in value.items():
            line = value.line_of(key)
            filled.put(str(self.fill(key, line)), self.fill(item, line), line)
        return filled

    def _text(self, text: str, line: int) -> Any:
        whole = _INTERPOLATION.fullmatch(text)
        if whole is not None:
            return self._value(whole.group(1), text, line)
        parts = [self._value(m.group(1), m.group(0), line) for m in _INTERPOLATION.finditer(text)]
        if any(isinstance(part, Opaque) for part in parts):
            return Opaque(text)
        shown = iter(parts)
        return _INTERPOLATION.sub(lambda _: _as_text(next(shown)), text)

    def _value(self, expression: str, original: str, line: int) -> Any:
        name, *functions = (part.strip() for part in expression.split("|"))
        match = _INPUT.fullmatch(name)
        if match is None:
            return Opaque(original)
        rules = self._declared.get(match.group(1))
        if match.group(1) not in self._declared and not self._open:
            self._sink.error(
                "unknown-input",
                f"{quoted(name)} is not declared under `spec:inputs`",
                line,
                f"declared are {listed(self._declared) or 'none'}",
            )
        if not isinstance(rules, Map) or "default" not in rules or functions:
            return Opaque(original)
        return rules["default"]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


class Extended:
    """The top-level keys with what they extend merged in."""

    def __init__(self, body: Map, lenient: bool, sink: Sink) -> None:
        self._body = body
        self._lenient = lenient
        self._sink = sink
        self._done: dict[str, Any] = {}
        self._budget = _MERGE_BUDGET
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
        if len(path) >= MAX_EXTENDS:
            self._too_deep(path[0])
            return value
        merged: Map = Map(value.line)
        for base in self._bases(key, value):
            parent = self._extend(base, (*path, key))
            if base in self.partial:
                self.partial.add(key)
            merged = self._merge(merged, parent)
        merged = self._merge(merged, value)
        merged.line = value.line
        self._done[key] = merged
        return merged

    def _bases(self, key: str, value: Map) -> list[str]:
        named = value["extends"]
        line = value.line_of("extends")
        names = list(named) if isinstance(named, Seq) else [named]
        found: list[str] = []
        for index, name in enumerate(names):
            at = named.line_of(index) if isinstance(named, Seq) else line
            if isinstance(name, (Map, Seq, Opaque)) or name is None:
                self.partial.add(key)
            elif str(name) not in self._body:
                self._unknown(key, str(name), at)
            elif not isinstance(self._body[str(name)], Map):
                self.partial.add(key)
                message = f"{quoted(key)} extends {quoted(name)}, which is not a job"
                self._sink.error("bad-extends", message, at, "extend a mapping of keywords")
            else:
                found.append(str(name))
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
            "`extends` goes in a circle: " + " → ".join(quoted(name, 40) for name in ring[:12]),
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


class References:
    """Replaces `!reference [key, path…]` by what stands there after `extends`."""

    def __init__(self, body: Map, lenient: bool, sink: Sink) -> None:
        self._body = body
        self._lenient = lenient
        self._sink = sink
        self._done: dict[int, Any] = {}
        self._open: set[int] = set()

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
            message = f"{_shown(value)} is part of a circle of references"
            self._sink.error("circular-reference", message, line, "break the circle")
            return Opaque("")
        if len(self._open) >= MAX_REFERENCE_DEPTH:
            raise refuse("deep-reference", "references lead too deep", line, "nest fewer of them")
        self._open.add(id(value))
        rebuild: Callable[[Any, int], Any] = (
            self._look_up if isinstance(value, Reference) else self._rebuild
        )
        result = rebuild(value, line)
        self._open.discard(id(value))
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


def expanded_size(value: Any) -> int:
    """How many values a tree holds with everything shared counted each time (linear time)."""
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        if not isinstance(node, (Map, Seq)):
            return 1
        if id(node) not in sizes:
            children = node.values() if isinstance(node, Map) else node
            sizes[id(node)] = 1 + sum(size(child) for child in children)
        return sizes[id(node)]

    return size(value)
