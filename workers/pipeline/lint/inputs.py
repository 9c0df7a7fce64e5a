"""`$[[ inputs.x ]]`: filled in from the defaults that the header (`spec:inputs`) declares."""

from __future__ import annotations

import re
from typing import Any, Final

from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.header import as_text, check
from workers.pipeline.lint.tree import Map, Opaque, Seq

_INTERPOLATION = re.compile(r"\$\[\[([^\[\]]{0,300})\]\]")
_FUNCTIONS: Final = ("expand_vars", "truncate(0,8)", "posix_escape", "posix_quote", "split(',')")
_FUNCTION = re.compile(
    r"expand_vars|posix_escape|posix_quote|truncate\(\s*\d+\s*,\s*\d+\s*\)?|split\('[^']+'\)"
)
MAX_FUNCTIONS: Final = 3
_CONTEXTS: Final = ("inputs", "component", "matrix")
_INPUT = re.compile(r"inputs\.([A-Za-z0-9_-]+)")


class Inputs:
    """Fills `$[[ inputs.x ]]` from the defaults that the header declares."""

    def __init__(self, header: Map, sink: Sink) -> None:
        spec = header.get("spec")
        declared = spec.get("inputs") if isinstance(spec, Map) else None
        self._declared: Map = declared if isinstance(declared, Map) else Map(header.line)
        self._open = isinstance(spec, Map) and "include" in spec
        fields = spec.get("component") if isinstance(spec, Map) else None
        self._fields = set(map(str, fields)) if isinstance(fields, Seq) else set()
        self._sink = sink
        self._done: dict[int, Any] = {}
        check(self._declared, sink)

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
        return _INTERPOLATION.sub(lambda _: as_text(next(shown)), text)

    def _value(self, expression: str, original: str, line: int) -> Any:
        name, *functions = (part.strip() for part in expression.split("|"))
        match = _INPUT.fullmatch(name)
        if match is None:
            self._context(name, line)
            return Opaque(original)
        rules = self._declared.get(match.group(1))
        if match.group(1) not in self._declared and not self._open:
            self._sink.error(
                "unknown-input",
                f"{quoted(name)} is not declared under `spec:inputs`",
                line,
                f"declared are {listed(self._declared) or 'none'}",
            )
        self._functions(rules, functions, original, line)
        if not isinstance(rules, Map) or "default" not in rules or functions:
            return Opaque(original)
        return rules["default"]

    def _context(self, name: str, line: int) -> None:
        """What is filled in has a name like `inputs.stage` (interpolation/access.rb)."""
        context = re.split(r"[.\[]", name)[0]
        if context not in _CONTEXTS or "." not in name:
            message = f"there is nothing like {quoted(name)} to fill in"
            self._sink.error("unknown-input", message, line, "write `$[[ inputs.NAME ]]`")
        elif context == "component" and name.partition(".")[2] not in self._fields:
            message = f"{quoted(name)} is not declared under `spec:component`"
            self._sink.error("unknown-input", message, line, "declare it: `component: [version]`")

    def _functions(self, rules: Any, functions: list[str], original: str, line: int) -> None:
        """Functions are known, three at most, and take texts (interpolation/functions*.rb)."""
        unknown = [function for function in functions if not _FUNCTION.fullmatch(function)]
        kind = rules.get("type") or "string" if isinstance(rules, Map) else "string"
        if unknown:
            message = f"{quoted(original)} asks for {listed(unknown)}, which GitLab does not know"
            fix = f"known are {listed(_FUNCTIONS)}"
        elif len(functions) > MAX_FUNCTIONS:
            message = f"{quoted(original)} has {len(functions)} functions"
            fix = f"GitLab allows {MAX_FUNCTIONS}"
        elif functions and kind != "string":
            message = f"{quoted(original)} takes a text, and the input is of type {quoted(kind)}"
            fix = "remove the function, or declare `type: string`"
        else:
            return
        self._sink.error("bad-function", message, line, fix)
