"""Plain YAML values that know their lines, and walks over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Map(dict[str, Any]):
    """A mapping; `lines[key]` is where the key stands, `odd[key]` its value if it was no text."""

    __slots__ = ("line", "lines", "odd")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}
        self.odd: dict[str, object] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        """Set a key together with its line."""
        self[key] = value
        self.lines[key] = line

    def line_of(self, key: str) -> int:
        """Where `key` stands, or the mapping itself where the key is not its own."""
        return self.lines.get(key, self.line)

    def absorb(self, other: Map) -> None:
        """Take over the keys of another mapping with their lines; the newcomer's values win."""
        self.update(other)
        self.lines.update(other.lines)
        self.odd.update(other.odd)

    def copy(self) -> Map:
        """A shallow copy that keeps the lines."""
        new = Map(self.line)
        new.absorb(self)
        return new


class Seq(list[Any]):
    """A sequence; `lines[i]` is where item i stands."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []

    def add(self, value: Any, line: int) -> None:
        """Append an item together with its line."""
        self.append(value)
        self.lines.append(line)

    def line_of(self, index: int) -> int:
        """Where item `index` stands."""
        return self.lines[index] if 0 <= index < len(self.lines) else self.line


class Reference(Seq):
    """A sequence with the tag `!reference`."""

    __slots__ = ()


class Opaque(str):
    """A value that only GitLab can know: an input without default, a reference into an include."""

    __slots__ = ()


def walk(value: Any, line: int = 1) -> Iterator[tuple[Any, int]]:
    """Every value in a tree with its line, containers before what they hold; shared ones once."""
    seen: set[int] = set()
    todo: list[tuple[Any, int]] = [(value, line)]
    while todo:
        node, at = todo.pop()
        if isinstance(node, (Map, Seq)):
            if id(node) in seen:
                continue
            seen.add(id(node))
        yield node, at
        if isinstance(node, Map):
            todo.extend((item, node.line_of(key)) for key, item in reversed(node.items()))
        elif isinstance(node, Seq):
            todo.extend((item, node.line_of(i)) for i, item in reversed(list(enumerate(node))))


def flattened(value: Any) -> Any:
    """A nested list as one flat list that keeps the lines; anything else as it is."""
    if not isinstance(value, Seq) or not any(isinstance(item, Seq) for item in value):
        return value
    flat = Seq(value.line)
    todo: list[tuple[Any, int]] = [(value, value.line)]
    while todo:
        item, line = todo.pop()
        if isinstance(item, Seq):
            todo.extend((item[i], item.line_of(i)) for i in reversed(range(len(item))))
        else:
            flat.add(item, line)
    return flat


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


def levels(value: Any, most: int = 12) -> int:
    """How deep lists are nested: 0 for text, 1 for a list of texts; counting ends at `most`."""
    level, layer = 0, [value]
    while layer and level < most:
        layer = [item for node in layer if isinstance(node, Seq) for item in node]
        level += 1 if layer else 0
    return level
