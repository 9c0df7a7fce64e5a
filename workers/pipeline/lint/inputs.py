"""`$[[ inputs.x ]]`: filled in from the defaults that the header (`spec:inputs`) declares."""

from __future__ import annotations

import re
from typing import Any, Final

from workers.pipeline.lint import regex
from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.tree import Map, Opaque, Seq

_INTERPOLATION = re.compile(r"\$\[\[([^\[\]]{0,300})\]\]")
_KEYS: Final = ("default", "description", "options", "regex", "type", "rules")
_INPUT = re.compile(r"inputs\.([A-Za-z0-9_-]+)")


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
            self._check(name, rules)
            if not isinstance(rules, Map) or not ({"default", "rules"} & set(rules)):
                sink.warning(
                    "required-input",
                    f"the input {quoted(name)} has no default: this file works only by `include`",
                    self._declared.line_of(name),
                    "add a `default:`",
                )

    def _check(self, name: str, rules: Any) -> None:
        """A default must be one of the options; a pattern must be RE2's."""
        if not isinstance(rules, Map):
            return
        strange = [key for key in rules if key not in _KEYS]
        if strange:
            message = f"the input {quoted(name)} has the unknown keyword {listed(strange)}"
            fix = self._sink.suggest(strange[0], _KEYS, f"known are {listed(_KEYS)}")
            self._sink.error("bad-input", message, rules.line_of(strange[0]), fix)
        options, value = rules.get("options"), rules.get("default")
        if isinstance(options, Seq) and value is not None and value not in options:
            message = f"the default of the input {quoted(name)} is none of its `options`"
            self._sink.error("bad-input", message, rules.line_of("default"), "use an option")
        pattern = rules.get("regex")
        problem = regex.fault(pattern) if isinstance(pattern, str) else None
        if problem:
            message = f"the `regex` of the input {quoted(name)} {problem}"
            self._sink.error("bad-regex", message, rules.line_of("regex"), "write it for RE2")

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
