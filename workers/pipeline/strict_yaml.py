"""YAML as data: no anchors, no aliases, no tags, no key that stands twice, no deep nesting."""

from __future__ import annotations

from typing import Any

import yaml

MAX_DEPTH = 40


class StrictError(ValueError):
    """The text is no YAML, or says more than data. `line` is 1-based, 0 where unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.CSafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise StrictError("a key should be a plain text", key_node.start_mark.line + 1)
            if key_node.value in seen:
                raise StrictError(f"{key_node.value!r} stands twice", key_node.start_mark.line + 1)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """`text` as dictionaries, lists and scalars. Raises StrictError.

    The events are judged before anything is built from them, so a text that would unfold to a
    billion nodes costs no more than its length.
    """
    try:
        _judge(text)
        return yaml.load(text, _Loader)  # noqa: S506  a safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise StrictError(str(error.problem), line) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, StrictError):
            raise
        raise StrictError(f"cannot be read ({type(error).__name__})") from None


def _judge(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise StrictError("anchors and aliases are not used here", line)
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise StrictError(f"the tag {tag} is not used here", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise StrictError(f"nests deeper than {MAX_DEPTH}", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
