"""From bytes to text and from text to values, for files that anybody may have written."""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import yaml

MAX_TEXT = 131_072
MAX_LINE = 600
MAX_YAML = 131_072
MAX_NODES = 200_000
MAX_DEPTH = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_JSON_NOISE = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?(?:\*/|\Z)', re.S)
_JSON_COMMA = re.compile(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])', re.S)


def decode(content: bytes) -> str:
    """Text of any usual encoding, with `\\n` line ends; what cannot be decoded is replaced."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            text = content[len(mark) :].decode(encoding, "replace")
            break
    else:
        # UTF-16 without its mark: ASCII text has a zero in every second byte
        if content[1:8:2] == b"\0" * 4 and content:
            text = content.decode("utf-16-le", "replace")
        else:
            text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy(text: str) -> str:
    """The text with very long lines cut and very long gaps closed.

    Rules are regular expressions, and some of them take quadratic time on what no person writes.
    """
    lines = (line[:MAX_LINE].rstrip() for line in text[:MAX_TEXT].split("\n"))
    return re.sub(r"\n{30,}", "\n" * 30, "\n".join(lines))


def line_of(text: str | None, needle: str) -> int:
    """1-based line where `needle` first stands; 0 where it does not."""
    if not text or not needle:
        return 0
    at = text.find(needle)
    return 0 if at < 0 else text.count("\n", 0, at) + 1


def _load_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        bare = _JSON_NOISE.sub(lambda m: m.group(1) or " ", text)
        return json.loads(_JSON_COMMA.sub(lambda m: m.group(1) or "", bare))


def _load_toml(text: str) -> Any:
    # each level of a dotted key costs a pass over those before it
    if re.search(r"(?:[\w\"'-]{1,40} ?\. ?){40}", text):
        raise ValueError("keys are deeper than a manifest's are")
    return tomllib.loads(text)


class _Loader(yaml.CSafeLoader):
    """Plain values only: unknown tags are looked through, merge keys are kept as they stand.

    Merging copies, and copies of copies can fill the memory from a few lines.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        node.value = [pair for pair in node.value if pair[0].tag != "tag:yaml.org,2002:merge"]


def _plain(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


_Loader.add_multi_constructor("", _plain)


def _load_yaml(text: str) -> Any:
    if len(text) > MAX_YAML or _too_deep(text):
        raise ValueError("longer or deeper than a manifest is")
    found = next(yaml.load_all(text, Loader=_Loader), None)
    if "*" in text and _weight(found, {}) > MAX_NODES:
        raise ValueError("its aliases stand for more than a manifest holds")
    return found


def _weight(value: Any, known: dict[int, int], depth: int = 0) -> int:
    """How many values stand there with every alias written out; too many where one holds itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        if depth > MAX_DEPTH:
            raise ValueError("deeper than a manifest is")
        known[id(value)] = MAX_NODES + 1
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_weight(part, known, depth + 1) for part in inner)
    return known[id(value)]


def _too_deep(text: str) -> bool:
    """Whether nesting would exhaust the C parser's stack, which nothing guards."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest > MAX_DEPTH or re.search(r"(?:[-?:]\s+){60}", text) is not None


def _load_xml(text: str) -> ElementTree.Element:
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise ValueError("document types and entities are not read")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1)
    # no entities are left, and expat itself resolves nothing from outside
    root = ElementTree.fromstring(text)  # noqa: S314
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


PARSERS: dict[str, Callable[[str], Any]] = {
    "json": _load_json,
    "toml": _load_toml,
    "yaml": _load_yaml,
    "xml": _load_xml,
}
