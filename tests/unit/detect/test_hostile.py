"""Whatever stands in a manifest, detection ends, soon, with an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.corpus import MemorySource, samples
from workers.detect.detector import detect

CPU_LIMIT_S = 3.0
"""Process time for one hostile tree on a loaded machine; a quiet one needs a tenth."""

SAID = [(sample, path) for sample in samples() for path, text in sample.files.items() if text]
"""Every file that says something in the corpus, with its repository."""

MANIFESTS = sorted({path.rpartition("/")[2] for _, path in SAID})

CONTENTS = {
    "empty": b"",
    "zeros": b"\0" * 5000,
    "no text": bytes(range(128, 256)) * 20,
    "mark only": b"\xef\xbb\xbf",
    "odd utf-16": b"\xff\xfea",
    "deep lists": b"[" * 100_000,
    "deep maps": b'{"a":' * 50_000,
    "deep tags": b"<a>" * 80_000,
    "deep blocks": b"a {\n" * 60_000,
    "deep parentheses": b"(" * 100_000,
    "deep indents": b"".join(b" " * depth + b"a:\n" for depth in range(600)),
    "one long line": b"a" * 250_000,
    "many blanks": b"a = " + b" " * 250_000 + b"b",
    "many quotes": b'"' * 200_001,
    "many lines": b"a b c\n" * 40_000,
    "many includes": b"-r requirements.txt\n-r ../../../etc/passwd\ninclude 'a'\n" * 3000,
    "null": b"null",
    "number": b"1" * 10_000,
    "list": b'["a", 1, null]',
    "nested types": b'{"name": [], "scripts": 1, "dependencies": [1], "require": "x", "tasks": []}',
    "yaml tags": b"!!python/object/apply:os.system ['true']\n",
    "yaml merge": b"a: &a\n  <<: *a\nb: 2021-99-99\n? [x]\n: 1\n",
}


pytestmark = pytest.mark.timeout(30)
"""A pattern that backtracks without end fails by name instead of waiting."""

STEP = len(CONTENTS) // 2


@pytest.mark.parametrize("content", CONTENTS)
def test_a_manifest_may_hold_anything(content: str) -> None:
    """One hostile file among good ones neither raises nor keeps the processor busy.

    Each file of the corpus meets two of the contents, spread over all.
    """
    for sample, path in SAID[list(CONTENTS).index(content) % STEP :: STEP]:
        start = time.process_time()
        analysis = detect(MemorySource({**sample.blobs, path: CONTENTS[content]}))
        assert time.process_time() - start < CPU_LIMIT_S, (sample.name, path)
        assert 0 <= analysis.confidence <= 1, (sample.name, path)


@given(
    st.dictionaries(
        st.sampled_from(MANIFESTS),
        st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
        max_size=6,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_mixture_of_any_bytes_has_one_answer(blobs: dict[str, bytes]) -> None:
    """Any mixture of manifests with any bytes is analysed, and twice to the same answer."""
    assert detect(MemorySource(blobs)) == detect(MemorySource(blobs))


@given(st.lists(st.text(min_size=1, max_size=20), max_size=8))
@settings(max_examples=150, deadline=None)
def test_names_may_be_anything(names: list[str]) -> None:
    """File names are data: no name raises or is taken for a pattern."""
    blobs = {name.replace("/", "∕").replace("\0", "0") + ".py": b"" for name in names}
    legal = {name: content for name, content in blobs.items() if _encodes(name)}
    analysis = detect(MemorySource({**legal, "go.mod": b"module x\n\ngo 1.22\n", "m.go": b""}))
    assert analysis.package_manager == "go"


def _encodes(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


@pytest.mark.parametrize("tree", ["deep", "wide", "long names"])
def test_trees_may_have_any_shape(tree: str) -> None:
    """Folders a thousand deep, a thousand folders with a manifest each, names of 4,000 letters."""
    blobs = {
        "deep": {"/".join(["d"] * depth) + "/package.json": b"{}" for depth in range(1, 1000, 9)},
        "wide": {f"f{index}/package.json": b"{}" for index in range(1000)},
        "long names": {f"{letter * 4000}/package.json": b"{}" for letter in "abcdef"},
    }[tree]
    source = MemorySource(blobs)
    start = time.process_time()
    detect(source)
    assert time.process_time() - start < CPU_LIMIT_S
    assert source.listings <= 30
    assert len(source.paths) <= 300
