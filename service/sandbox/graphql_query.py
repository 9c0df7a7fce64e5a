"""Reads GraphQL queries: fields, aliases, arguments, variables, fragments. Nothing of a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

TOKEN = re.compile(
    r"""[\s,]*(?:\#[^\n]*[\s,]*)*(?:
    (?P<punct>\.\.\.|[{}()\[\]:$!=@|&])
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<text>"(?:\\.|[^"\\\n])*")
    )""",
    re.VERBOSE,
)
BLANK = re.compile(r"[\s,]*(?:#[^\n]*[\s,]*)*$")
DEEPEST = 30


class BadQuery(ValueError):
    """The text is no query that can be answered; the message is for the client."""


class Field(msgspec.Struct):
    """A field asked for; `key` is its name in the answer."""

    key: str
    name: str
    arguments: dict[str, Any]
    fields: list[Field]


class _Spread(msgspec.Struct):
    fragment: str


class _Document(msgspec.Struct):
    kind: str = "query"
    fields: list[Any] = msgspec.field(default_factory=list)
    fragments: dict[str, list[Any]] = msgspec.field(default_factory=dict)


def parse(text: str, variables: Mapping[str, Any]) -> tuple[str, list[Field]]:
    """The operation's kind and its fields, variables filled in. Raises `BadQuery`."""
    reader = _Reader(_tokens(text), variables)
    document = _Document()
    while reader.left:
        reader.definition(document)
    return document.kind, _spread(document.fields, document.fragments, 0)


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    position = 0
    while not BLANK.match(text, position):
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadQuery(f"Parse error on {text[position : position + 20]!r}")
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


def _spread(fields: list[Any], fragments: dict[str, list[Any]], depth: int) -> list[Field]:
    """Fields with fragments put in their places."""
    if depth > DEEPEST:
        raise BadQuery("Query is nested too deeply")
    plain: list[Field] = []
    for item in fields:
        if isinstance(item, _Spread):
            if item.fragment not in fragments:
                raise BadQuery(f"Fragment {item.fragment} was used, but not defined")
            plain += _spread(fragments[item.fragment], fragments, depth + 1)
        elif isinstance(item, list):
            plain += _spread(item, fragments, depth + 1)
        else:
            inner = _spread(item.fields, fragments, depth + 1)
            plain.append(Field(item.key, item.name, item.arguments, inner))
    return plain


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]], variables: Mapping[str, Any]) -> None:
        self.left = tokens[::-1]
        self.variables = dict(variables)

    def peek(self) -> str:
        return self.left[-1][1] if self.left else ""

    def take(self, wanted: str | None = None) -> str:
        if not self.left or (wanted is not None and self.peek() != wanted):
            raise BadQuery(f"Expected {wanted or 'more'}, actual: {self.peek() or 'end of text'}")
        return self.left.pop()[1]

    def definition(self, document: _Document) -> None:
        if self.peek() == "fragment":
            self.take()
            name = self.take()
            self.take("on")
            self.take()
            document.fragments[name] = self.selection(0)
            return
        if self.peek() != "{":
            document.kind = self.take()
            if self.peek() not in ("{", "("):
                self.take()
            if self.peek() == "(":
                self.defaults()
        document.fields = self.selection(0)

    def defaults(self) -> None:
        """`($name: Type! = default, …)`: types are not judged."""
        self.take("(")
        while self.peek() != ")":
            self.take("$")
            name = self.take()
            self.take(":")
            while self.peek() not in ("$", "=", ")"):
                self.take()
            if self.peek() == "=":
                self.take()
                self.variables.setdefault(name, self.value())
        self.take(")")

    def selection(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise BadQuery("Query is nested too deeply")
        self.take("{")
        fields: list[Any] = []
        while self.peek() != "}":
            fields.append(self.spread(depth) if self.peek() == "..." else self.field(depth))
        self.take("}")
        if not fields:
            raise BadQuery("A selection is empty")
        return fields

    def spread(self, depth: int) -> Any:
        self.take("...")
        if self.peek() == "on":
            self.take()
            self.take()
        elif self.peek() != "{":
            return _Spread(self.take())
        return self.selection(depth + 1)

    def field(self, depth: int) -> Field:
        key = name = self.take()
        if self.peek() == ":":
            self.take()
            name = self.take()
        arguments: dict[str, Any] = {}
        if self.peek() == "(":
            self.take()
            while self.peek() != ")":
                argument = self.take()
                self.take(":")
                arguments[argument] = self.value()
            self.take(")")
        inner = self.selection(depth + 1) if self.peek() == "{" else []
        return Field(key, name, arguments, inner)

    def value(self) -> Any:
        kind = self.left[-1][0] if self.left else ""
        text = self.take()
        if text == "$":
            return self.variables.get(self.take())
        if text == "[":
            items = []
            while self.peek() != "]":
                items.append(self.value())
            self.take("]")
            return items
        if text == "{":
            found = {}
            while self.peek() != "}":
                key = self.take()
                self.take(":")
                found[key] = self.value()
            self.take("}")
            return found
        if kind in ("text", "number"):
            return msgspec.json.decode(text)
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(text, text)
        raise BadQuery(f"Unexpected {text}")
