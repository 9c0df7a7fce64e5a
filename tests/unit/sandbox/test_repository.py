"""Git's model: ids, order of trees, history."""

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.sandbox.repository import Author, Blob, Repository, folder_of, object_id

ADA = Author("Ada", "ada@example.com")
NAME = st.text(alphabet="ab.-", min_size=1, max_size=4).filter(lambda n: n not in (".", ".."))
PATHS = st.lists(NAME, min_size=1, max_size=3).map("/".join)


def repository(*steps: dict[str, str]) -> tuple[Repository, list[str]]:
    """A repository with one commit a step; a step holds all files."""
    made = Repository()
    shas: list[str] = []
    for step in steps:
        files = {path: Blob(text.encode()) for path, text in step.items()}
        shas.append(made.commit("main", files, "x", ADA, shas[-1] if shas else None).after)
    return made, shas


def test_ids_are_those_of_git(tmp_path: Path) -> None:
    """Blob and tree have the ids that Git itself computes."""
    files = {"b.txt": "one\n", "a/x.sh": "two\n", "a.txt": "three\n", "a-b": "four\n"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, check=True)
        return done.stdout.decode()

    git("init", "-q")
    git("add", ".")
    tree = folder_of({path: Blob(text.encode()) for path, text in files.items()})
    sha = git("write-tree").strip()
    assert tree.sha() == sha
    listed = [line.split("\t")[1] for line in git("ls-tree", "-r", "-t", sha).splitlines()]
    assert [entry.path for entry in tree.walk("", True)] == listed


def test_an_unknown_object_differs_by_kind() -> None:
    """A blob and a tree with the same bytes are two objects."""
    assert object_id("blob", b"x") != object_id("tree", b"x")


def test_the_last_commit_of_a_file_is_the_one_that_touched_it() -> None:
    """Commits that left the file alone do not count; removing counts."""
    made, (first, second, third) = repository({"a": "1"}, {"a": "1", "b": "1"}, {"b": "1"})
    head = made.commits[second]
    assert (made.last_commit(head, "a") or head).sha == first
    assert (made.last_commit(made.commits[third], "a") or head).sha == third
    assert made.last_commit(head, "never") is None


def test_refs() -> None:
    """A branch, HEAD, a full ref and a short id name the same commit; the rest names none."""
    made, (sha,) = repository({"a": "1"})
    for ref in (None, "HEAD", "main", "refs/heads/main", sha, sha[:8]):
        assert made.resolve(ref) is made.commits[sha]
    for ref in ("gone", sha[:6], "0" * 40):
        assert made.resolve(ref) is None


def test_a_push_holds_the_commits_between() -> None:
    """Oldest first, without the one it started from."""
    made, (first, second, third) = repository({"a": "1"}, {"a": "2"}, {"a": "3"})
    assert [commit.sha for commit in made.between(first, third)] == [second, third]
    assert made.difference(made.commits[second]) == ([], ["a"], [])


@given(st.dictionaries(PATHS, st.binary(max_size=5), max_size=8))
def test_a_listing_holds_every_file_once(files: dict[str, bytes]) -> None:
    """Recursive listings hold each path of the tree once, folders before what is in them."""
    blobs = {
        path: Blob(content)
        for path, content in files.items()
        if not any(other != path and other.startswith(f"{path}/") for other in files)
    }
    paths = [entry.path for entry in folder_of(blobs).walk("", True)]
    assert len(paths) == len(set(paths))
    assert set(blobs) <= set(paths)
    for path in paths:
        parent = path.rpartition("/")[0]
        assert not parent or paths.index(parent) < paths.index(path)
