"""What GitLab asks of the inputs that a header (`spec:inputs`) declares, beyond the schema.

Sources: lib/ci/inputs/*.rb and lib/gitlab/ci/config/header/inputs/validator.rb.
"""

from __future__ import annotations

import re
from typing import Any, Final

from workers.pipeline.lint import regex
from workers.pipeline.lint.circles import rings
from workers.pipeline.lint.findings import Sink, chain, listed, quoted
from workers.pipeline.lint.matching import matches
from workers.pipeline.lint.tree import Map, Seq

_KEYS: Final = ("default", "description", "options", "regex", "type", "rules")
# The types that may have options, and a pattern.
_WITH_OPTIONS: Final = ("string", "number", "array")
_WITH_PATTERN: Final = ("string",)
_NAMED = re.compile(r"\$\[\[\s*inputs\.([A-Za-z0-9_-]+)")


def check(declared: Map, sink: Sink) -> None:
    """Record every fault of the declarations."""
    for name, rules in declared.items():
        if isinstance(rules, Map):
            _keywords(name, rules, sink)
            _options(name, rules, sink)
            _pattern(name, rules, sink)
        if not isinstance(rules, Map) or not ({"default", "rules"} & set(rules)):
            message = f"the input {quoted(name)} has no default: this file works only by `include`"
            sink.warning("required-input", message, declared.line_of(name), "add a `default:`")
    _conditions(declared, sink)


def as_text(value: Any) -> str:
    """A value as it is written into a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _keywords(name: str, rules: Map, sink: Sink) -> None:
    strange = [key for key in rules if key not in _KEYS]
    if strange:
        message = f"the input {quoted(name)} has the unknown keyword {listed(strange)}"
        fix = sink.suggest(strange[0], _KEYS, f"known are {listed(_KEYS)}")
        sink.error("bad-input", message, rules.line_of(strange[0]), fix)
    kind = rules.get("type") or "string"
    for key, kinds in (("options", _WITH_OPTIONS), ("regex", _WITH_PATTERN)):
        if rules.get(key) is not None and kind not in kinds:
            message = f"the input {quoted(name)} has `{key}`, but its type is {quoted(kind)}"
            fix = f"remove it: only inputs of the type {' or '.join(kinds)} have it"
            sink.error("bad-input", message, rules.line_of(key), fix)


def _options(name: str, rules: Map, sink: Sink) -> None:
    options, value = rules.get("options"), rules.get("default")
    if not isinstance(options, Seq) or value is None:
        return
    # Of an array each item is an option (lib/ci/inputs/array_input.rb).
    values = value if isinstance(value, Seq) else [value]
    if not {as_text(item) for item in values} <= {as_text(option) for option in options}:
        message = f"the default of the input {quoted(name)} is none of its `options`"
        sink.error("bad-input", message, rules.line_of("default"), "use an option")


def _pattern(name: str, rules: Map, sink: Sink) -> None:
    pattern, value = rules.get("regex"), rules.get("default")
    if not isinstance(pattern, str):
        return
    problem = regex.fault(pattern)
    if problem:
        message = f"the `regex` of the input {quoted(name)} {problem}"
        sink.error("bad-regex", message, rules.line_of("regex"), "write it for RE2")
    elif isinstance(value, str) and matches(pattern, value) is False:
        message = f"the default of the input {quoted(name)} does not match its `regex`"
        fix = f"{quoted(value, 40)} must match {quoted(pattern, 60)}"
        sink.error("bad-input", message, rules.line_of("default"), fix)


def _conditions(declared: Map, sink: Sink) -> None:
    """The rules of an input name other inputs, and not in a circle."""
    edges: dict[str, list[str]] = {}
    for name, rules in declared.items():
        written = rules.get("rules") if isinstance(rules, Map) else None
        edges[name] = []
        for rule in written if isinstance(written, Seq) else ():
            text = rule.get("if") if isinstance(rule, Map) else None
            named = _NAMED.findall(text) if isinstance(text, str) else []
            edges[name] += [other for other in named if other in declared]
            unknown = [other for other in named if other not in declared]
            if unknown:
                message = f"a rule of the input {quoted(name)} asks for {listed(unknown)}"
                fix = f"declared are {listed(declared)}"
                sink.error("unknown-input", message, rule.line_of("if"), fix)
    for ring in rings(edges):
        message = f"inputs depend on each other: {chain([*ring, ring[0]])}"
        sink.error("input-circle", message, declared.line_of(ring[0]), "break the circle")
