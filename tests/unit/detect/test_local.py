"""A folder as a source."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.detect.trees import tree
from workers.detect import LocalSource
from workers.errors import Denied, NotFound


def test_lists_in_gits_order(tmp_path: Path) -> None:
    """The order is the one of `git ls-tree`: a folder sorts as if its name ended with a slash."""
    files = {"a.txt": "1", "a/b": "2", "a-b/c": "3", "a0": "4", "Z": "5", "é": "6"}
    source = tree(tmp_path, files)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    written = subprocess.run(
        ["git", "write-tree"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.strip()
    listed = subprocess.run(
        ["git", "-c", "core.quotepath=off", "ls-tree", "-r", "-t", "--name-only", written],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert [entry.path for entry in source.walk().entries] == listed


def test_limits_are_told(tmp_path: Path) -> None:
    """A listing says whether it is complete."""
    source = tree(tmp_path, {f"{n}": "" for n in range(5)})
    assert source.walk(limit=5).complete
    cut = source.children(limit=4)
    assert (len(cut.entries), cut.complete) == (4, False)


def test_links_are_seen_but_never_followed(tmp_path: Path) -> None:
    """Neither a link nor what is reached through one is read or listed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    source = tree(tmp_path / "repo", {"a": "1"})
    (tmp_path / "repo" / "link").symlink_to(outside)
    (tmp_path / "repo" / "file").symlink_to(outside / "secret")
    modes = {entry.path: entry.mode for entry in source.walk().entries}
    assert modes == {"a": "100644", "link": "120000", "file": "120000"}
    wanted = ["link/secret", "file", "../outside/secret", "/etc/passwd", "a\0b", ".git/config"]
    assert source.read(wanted) == {}
    assert source.children("link").entries == ()
    assert source.children("..").entries == ()


def test_pipes_are_no_files(tmp_path: Path) -> None:
    """A pipe is not listed and reading it does not hang."""
    source = tree(tmp_path, {"a": "1"})
    os.mkfifo(tmp_path / "pipe")
    assert [entry.path for entry in source.walk().entries] == ["a"]
    assert source.read(["pipe"]) == {}


def test_submodules_and_git_itself(tmp_path: Path) -> None:
    """A submodule is one entry without content; `.git` does not exist."""
    source = tree(tmp_path, {".git/config": "", "sub/.git": "gitdir: x", "sub/a": "", "b": ""})
    assert [(e.path, e.kind) for e in source.walk().entries] == [("b", "blob"), ("sub", "commit")]


def test_reads_at_most_what_is_asked(tmp_path: Path) -> None:
    """Content is cut at `max_bytes`, absent files are absent."""
    source = tree(tmp_path, {"a": "123456"})
    assert source.read(["a", "b"], max_bytes=3) == {"a": b"123"}


def test_languages_as_gitlab_names_them(tmp_path: Path) -> None:
    """Shares by bytes, vendored folders left out."""
    files = {"a.py": "x" * 75, "b.js": "x" * 25, "node_modules/c.js": "x" * 900, "d.md": "x"}
    assert tree(tmp_path, files).languages() == {"Python": 75.0, "JavaScript": 25.0}


def test_no_folder(tmp_path: Path) -> None:
    """What is no folder is not found, at once."""
    with pytest.raises(NotFound):
        LocalSource(tmp_path / "absent")


@pytest.mark.parametrize(
    ("mode", "below"), [(0o000, ""), (0o100, ""), (0o400, ""), (0o000, "app"), (0o400, "app")]
)
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(
    tmp_path: Path, mode: int, below: str
) -> None:
    """Whichever right is missing, of it or of a folder above it."""
    parent = tmp_path / "parent"
    tree(parent, {"app/go.mod": "module a", "go.mod": "module b"})
    os.chmod(parent, mode)
    root = os.geteuid() == 0
    if root:  # who may read everything becomes somebody who may not
        os.chown(parent, 65534, 65534)
        for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            os.chmod(folder, 0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(Denied, match=r"parent.*: Permission denied$"):
            LocalSource(parent / below)
    finally:
        if root:
            os.seteuid(0)
        os.chmod(parent, 0o700)
