"""Reads YAML into plain values that know their lines, within bounds that no bomb can pass.

The text is read as parser events, never through a YAML constructor: depth, size and the sum of
what anchors expand to are counted while the tree is built, so nothing large is ever made. The
limits are GitLab's own: 2 MB of text, 100 levels (`max_yaml_size_bytes`, `max_yaml_depth`), and
about as many nodes as its 2 MB in memory can hold.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from workers.pipeline.lint import scalars
from workers.pipeline.lint.findings import Sink, quoted
from workers.pipeline.lint.syntax import line_at, refuse, syntax_error
from workers.pipeline.lint.tree import Map, Reference, Seq

MAX_BYTES: Final = 2_000_000
MAX_DEPTH: Final = 100
MAX_NODES: Final = 60_000
_BOM: Final = "\ufeff"
_HIDDEN: Final = re.compile("[\u00ad\u200b\u2060\u202a-\u202e\ufeff]")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE: Final = "tag:yaml.org,2002:"
_SAFE_TAGS: Final = frozenset(
    {"!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))}
)
_CODE_TAGS: Final = ("!ruby", _CORE + "ruby", _CORE + "python", _CORE + "java", "!python")


def decode(source: str | bytes, sink: Sink) -> str:
    """The text of the file. Raises `Unreadable` for what is too big or not UTF-8."""
    try:
        raw = source.encode("utf-8") if isinstance(source, str) else bytes(source)
        text = raw.decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        line = line_at(source, error.start)
        raise refuse(
            "encoding", "the file is not UTF-8 text", line, "save the file as UTF-8"
        ) from None
    if len(raw) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes, which is all that GitLab reads"
        raise refuse("too-big", message, 1, "move parts to files and `include` them")
    if text.startswith(_BOM):
        sink.warning("bom", "the file starts with a byte order mark", 1, "save it without a BOM")
        text = text[1:]
    return text


def documents(text: str, sink: Sink) -> list[Any]:
    """The values of all YAML documents in the text. Raises `Unreadable`."""
    builder = _Builder(sink)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise syntax_error(error, text) from None
    return builder.roots


class _Frame:
    """A container that is still open."""

    __slots__ = ("anchor", "key", "key_line", "node", "own", "weight")

    def __init__(self, node: Map | Seq, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.weight = 1
        self.key: str | None = None
        self.key_line = node.line
        self.own: dict[str, int] = {}


class _Builder:
    """Builds values from parser events, counting what they would weigh when expanded."""

    def __init__(self, sink: Sink) -> None:
        self.roots: list[Any] = []
        self._sink = sink
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int] | None] = {}

    def take(self, event: yaml.Event) -> None:
        """Account for one event. Raises `Unreadable` when a bound is passed."""
        line: int = event.start_mark.line + 1  # type: ignore[union-attr]
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, line)
            self._remember(event.anchor, value, 1)
            self._place(value, 1, line, event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._open(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self._stack.pop()
            self._remember(frame.anchor, frame.node, frame.weight)
            self._place(frame.node, frame.weight, frame.node.line, None)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise refuse("too-deep", f"nested deeper than {MAX_DEPTH} levels", line, "flatten it")
        node: Map | Seq
        if isinstance(event, yaml.MappingStartEvent):
            node = Map(line)
            if event.tag == "!reference":
                self._bad_reference(line)
        else:
            node = Reference(line) if event.tag == "!reference" else Seq(line)
        self._check_tag(event.tag, line)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(node, event.anchor))

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> scalars.Scalar:
        if event.tag == "!reference":
            self._bad_reference(line)
        if event.tag is None and event.implicit[0]:
            value = scalars.plain(event.value)
            if isinstance(value, scalars.Timestamp):
                self._sink.error(
                    "date",
                    f"{quoted(value)} is read as a date, which GitLab does not allow",
                    line,
                    f'quote it: "{value}"',
                )
            return value
        self._check_tag(event.tag, line)
        return scalars.tagged(event.value, event.tag or "")

    def _alias(self, name: str, line: int) -> None:
        if name not in self._anchors:
            fix = f"define it before its use: `&{name}`"
            raise refuse("unknown-anchor", f"the alias `*{name}` has no anchor", line, fix)
        known = self._anchors[name]
        if known is None:
            message = f"the anchor `&{name}` contains itself"
            raise refuse("recursive-anchor", message, line, "remove the alias inside it")
        self._place(known[0], known[1], line, None)

    def _remember(self, anchor: str | None, value: Any, weight: int) -> None:
        if anchor:
            self._anchors[anchor] = (value, weight)

    def _place(self, value: Any, weight: int, line: int, event: yaml.Event | None) -> None:
        if not self._stack:
            self.roots.append(value)
            return
        frame = self._stack[-1]
        if isinstance(frame.node, Seq):
            self._grow(frame, weight, line)
            frame.node.add(value, line)
        elif frame.key is None:
            frame.key, frame.key_line = self._key(frame.node, value, line, event), line
        else:
            self._grow(frame, weight, line)
            self._pair(frame, frame.node, value)
            frame.key = None

    def _grow(self, frame: _Frame, weight: int, line: int) -> None:
        frame.weight += weight
        if frame.weight > MAX_NODES:
            message = f"the file expands to more than {MAX_NODES:,} values"
            raise refuse("too-big", message, line, "use fewer anchors and aliases, or `include`")

    def _key(self, node: Map, value: Any, line: int, event: yaml.Event | None) -> str:
        if isinstance(value, str):
            self._visible(value, line)
            return value
        text = event.value if isinstance(event, yaml.ScalarEvent) else "?"
        node.odd[text] = value
        if isinstance(value, (Map, Seq)):
            message = "a key must be text, not a mapping or a list"
            self._sink.error("bad-key", message, line, "quote it, for instance braces of `{{ }}`")
        return text

    def _visible(self, key: str, line: int) -> None:
        """A key may start or end in a space that no editor shows, and no keyword does."""
        if key != key.strip() or _HIDDEN.search(key):
            self._sink.warning(
                "invisible-character",
                f"the key {quoted(key)} holds a space or a sign that is not seen",
                line,
                "type the line again, with plain spaces",
            )

    def _pair(self, frame: _Frame, node: Map, value: Any) -> None:
        key, line = frame.key or "", frame.key_line
        if key == "<<" and self._merge(node, value):
            return
        if key in frame.own:
            self._sink.warning(
                "duplicate-key",
                f"{quoted(key)} stands here again; GitLab silently keeps only the last one",
                line,
                f"merge it with the one on line {frame.own[key]}, or remove one",
            )
        frame.own[key] = line
        node.put(key, value, line)

    @staticmethod
    def _merge(node: Map, value: Any) -> bool:
        """Psych's merge: the merged keys replace those that stand above the `<<`."""
        if isinstance(value, Map):
            node.absorb(value)
            return True
        if isinstance(value, Seq) and value and all(isinstance(item, Map) for item in value):
            for item in reversed(value):
                node.absorb(item)
            return True
        return False

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag is None or tag in _SAFE_TAGS or tag == "!reference":
            return
        if tag.startswith(_CODE_TAGS):
            message = f"the tag {quoted(tag)} asks to build an object of a programming language"
            self._sink.error("unsafe-tag", message, line, "remove the tag")
        else:
            message = f"GitLab ignores the tag {quoted(tag)}"
            self._sink.warning("unknown-tag", message, line, "the only custom tag is `!reference`")

    def _bad_reference(self, line: int) -> None:
        self._sink.error(
            "bad-reference",
            "`!reference` needs a list: the key and the path below it",
            line,
            "write `!reference [.job, script]`",
        )
