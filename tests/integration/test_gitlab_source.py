"""A repository in GitLab as a `Source`: the same answers as a folder's, in few calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gitlab import Instance, quiet
from workers.clients.gitlab import ApiSource
from workers.clients.gitlab_source import MAX_RAW
from workers.detect.local import LocalSource
from workers.errors import Denied, NotFound, Retryable


def source(at: Instance, path: str, files: dict[str, str]) -> ApiSource:
    project = at.control.create_project(path, files=files)
    at.control.forget_calls()
    return ApiSource(at.gitlab, project.id, project.path, project.branches["main"])


FILES = {
    "package.json": "{}",
    "src/app/main.js": "run()",
    "src/lib.js": "x",
    "README.md": "# x",
    "empty.txt": "",
    "ünïcode name.json": "{}",
}


def test_it_answers_as_the_same_folder_would(at: Instance, tmp_path: Path) -> None:
    """Children, walk and contents equal those of a local copy, order and limits included."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    local, remote = LocalSource(tmp_path), source(at, "acme/same", FILES)
    for path in ("", "src", "src/app", "nowhere"):
        for limit in (1, 3, 1000):
            assert remote.children(path, limit=limit) == local.children(path, limit=limit)
            assert remote.walk(path, limit=limit) == local.walk(path, limit=limit)
    names = [*FILES, "missing"]
    assert remote.read([*names, "src"]) == local.read(names)
    assert remote.read(["src/app/main.js"], max_bytes=3) == {"src/app/main.js": b"run"}


def test_a_small_repository_takes_two_calls(at: Instance) -> None:
    """One page of the tree, one GraphQL request; files read in several rounds come with it."""
    found = source(at, "acme/few", FILES)
    found.children("")
    found.walk("")
    found.children("src")
    assert found.read(["package.json"]) == {"package.json": b"{}"}
    assert set(found.read(["src/lib.js", "src/app/main.js"])) == {"src/lib.js", "src/app/main.js"}
    assert found.calls == 2
    assert len(at.control.calls()) == 2


def test_a_wide_repository_is_cut_at_its_limit(at: Instance) -> None:
    """450 entries: five pages for all of them, one for a hundred; complete says which."""
    files = {f"f{number:03}.txt": "x" for number in range(450)}
    found = source(at, "acme/wide", files)
    assert [len(found.walk("", limit=100).entries), found.calls] == [100, 1]
    listing = found.walk("", limit=1000)
    assert (len(listing.entries), listing.complete) == (450, True)
    cut = found.walk("", limit=120)
    assert (len(cut.entries), cut.complete) == (120, False)
    assert found.calls == 1 + 4 + 1


def test_rest_serves_where_graphql_is_refused(at: Instance) -> None:
    """Off, or too complex as GitLab 18.4.2 says of two contents: the raw files are read."""
    for name, switches in (("off", {"graphql": False}), ("bug", {"graphql_single_blob": True})):
        found = source(at, f"acme/rest-{name}", FILES)
        at.control.set_switches(**switches)
        found.walk("")
        assert found.read(["package.json", "src/lib.js"]) == {
            "package.json": b"{}",
            "src/lib.js": b"x",
        }
        assert found.read(["empty.txt"]) == {"empty.txt": b""}
        assert len(at.control.calls("graphql")) == 1, "asked once, not for every read"
        quiet(at)


def test_single_reads_are_bounded(at: Instance) -> None:
    """Without GraphQL a source reads MAX_RAW files, in the order asked, and no more."""
    files = {f"f{number:02}.txt": str(number) for number in range(40)}
    found = source(at, "acme/bounded", files)
    at.control.set_switches(graphql=False)
    assert list(found.read(sorted(files))) == sorted(files)[:MAX_RAW]
    assert found.read(["f39.txt"]) == {}
    assert len(at.control.calls("/raw")) == MAX_RAW


def test_a_big_file_is_cut_while_it_comes(at: Instance) -> None:
    """`max_bytes` bounds what is downloaded, not only what is kept."""
    found = source(at, "acme/big", {"big.json": "x" * 3_000_000})
    at.control.set_switches(graphql=False)
    assert found.read(["big.json"], max_bytes=1000) == {"big.json": b"x" * 1000}


def test_a_project_that_is_gone_is_an_error(at: Instance) -> None:
    """Gone, hidden, or a revoked token must not look like an empty repository."""
    found = source(at, "acme/gone", FILES)
    at.control.delete_project("acme/gone")
    with pytest.raises(NotFound):
        found.children("")
    refused = source(at, "acme/revoked", FILES)
    refused.walk("")
    at.control.set_fault("status", ".*", status=403)
    with pytest.raises(Denied):
        refused.read(["package.json"])


def test_a_passing_fault_is_told(at: Instance) -> None:
    """A failing GitLab is Retryable, never an empty answer."""
    found = source(at, "acme/passing", FILES)
    at.control.set_fault("status", ".*", status=502, times=1)
    with pytest.raises(Retryable):
        found.children("")
    at.control.set_fault("rate_limit", "graphql", times=1)
    with pytest.raises(Retryable):
        found.read(["package.json"])
    assert found.read(["package.json"]) == {"package.json": b"{}"}


def test_languages(at: Instance) -> None:
    """GitLab's own shares, in its own names."""
    found = source(at, "acme/languages", {"main.go": "package main\n"})
    assert found.languages() == {"Go": 100.0}
