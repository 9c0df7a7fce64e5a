"""From bytes to values."""

from __future__ import annotations

import time

import pytest

from workers.detect.parse import PARSERS, decode, line_of, tidy

TEXT = '{"naïve": "⛵"}\nsecond\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "utf-16-be"]
)
def test_encodings_with_a_mark_and_windows_line_ends(encoding: str) -> None:
    """Byte order marks tell the encoding, and are no part of the text; CRLF is one line end."""
    mark = {"utf-16-be": b"\xfe\xff", "utf-16-le": b"\xff\xfe"}.get(encoding, b"")
    assert decode(mark + TEXT.replace("\n", "\r\n").encode(encoding)) == TEXT


def test_utf16_without_mark() -> None:
    """ASCII in UTF-16 betrays itself by its zeros."""
    assert decode("module x\n".encode("utf-16-le")) == "module x\n"


def test_bytes_that_are_no_text() -> None:
    """What cannot be decoded is replaced, never raised."""
    assert decode(b"\xff\xfa\x00ok").endswith("ok")
    assert decode(b"") == ""


def test_json_with_comments_and_trailing_commas() -> None:
    """Comments and trailing commas are read over, but not inside of strings."""
    text = '{\n// one\n"a": "http://x/* no */",\n/* two */ "b": [1, 2,],\n}'
    assert PARSERS["json"](text) == {"a": "http://x/* no */", "b": [1, 2]}


def test_yaml_of_unknown_tags_and_merges() -> None:
    """Tags make no objects, merges are not followed, the rest is read."""
    text = "a: &a {x: 1}\nb:\n  <<: *a\n  y: !Sub 2\nc: !!python/object/apply:os.system [ls]\n"
    assert PARSERS["yaml"](text) == {"a": {"x": 1}, "b": {"y": "2"}, "c": ["ls"]}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("yaml", "[" * 5000),
        ("yaml", "- " * 5000),
        ("toml", "a." * 20_000 + "b = 1"),
        ("toml", "a = [" * 100),
        ("json", "{"),
        ("xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("xml", "<a>"),
    ],
)
def test_what_is_refused_is_refused_at_once(kind: str, text: str) -> None:
    """Depth, entities and halves are errors of a known kind, without burning time."""
    start = time.process_time()
    with pytest.raises((ValueError, SyntaxError, RecursionError, Exception)) as caught:
        PARSERS[kind](text)
    assert not isinstance(caught.value, MemoryError | AttributeError | TypeError)
    assert time.process_time() - start < 1


def test_xml_names_lose_their_space() -> None:
    """Maven's namespace does not hide its elements."""
    root = PARSERS["xml"]('<?xml version="1.0"?><p xmlns="urn:x"><modules/></p>')
    assert root.find("modules") is not None


def test_tidy_keeps_lines_and_cuts_what_nobody_writes() -> None:
    """Line numbers stay; a line of a megabyte and a gap of ten thousand lines do not."""
    assert tidy("a  \nb\n\nc") == "a\nb\n\nc"
    assert len(tidy("x" * 1_000_000)) < 1000
    assert tidy("a" + "\n" * 10_000 + "b").count("\n") < 100


def test_line_of() -> None:
    """Lines count from 1; 0 is no line."""
    assert line_of("a\nb\nc", "c") == 3
    assert line_of("a", "z") == 0
    assert line_of(None, "z") == 0
