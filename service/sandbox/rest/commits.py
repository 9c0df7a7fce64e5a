"""`repository/commits`: reading, and writing several files in one commit with GitLab's refusals.

The order of the checks follows GitLab's `Commits::CreateService` and `Files::MultiService`; the
texts about files are Gitaly's (`commit_files.go`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from service.sandbox.refusal import error, message, not_found
from service.sandbox.repository import Author, Blob, Commit, Files
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.rest.repository import BAD_NAME, may_push, show_commit
from service.sandbox.state import Project, Role

KINDS = ("create", "update", "delete", "move", "chmod")
COMPARED = ("update", "move", "delete")
BAD_PATH = re.compile(r"(^|/)(\.\.?|\.git)(/|$)|^/|//|/$|\x00|^$", re.IGNORECASE)
Action = Mapping[str, Any]


def create_commit(call: Call) -> Answer:
    """`POST repository/commits`, 201 with the commit."""
    project = call.project()
    actions = _actions(call)
    branch, text = call.require("branch", "commit_message")
    start_branch, start_sha = call.text("start_branch"), call.text("start_sha")
    if start_branch is not None and start_sha is not None:
        raise error(400, "start_branch, start_sha are mutually exclusive")
    may_push(call, project, branch)
    base = _base(project, branch, start_branch, start_sha, call.flag("force"))
    for action in actions:
        _check_unchanged(project, base, action)
    files = dict(base.files) if base else {}
    for action in actions:
        _apply(files, action)
    author = Author(
        call.text("author_name") or call.user.name, call.text("author_email") or call.user.email
    )
    change = project.repository.commit(branch, files, text, author, base.sha if base else None)
    call.sandbox.settle(project, call.user, [change])
    commit = project.repository.commits[change.after]
    return Answer(show_commit(call, project, commit) | _stats(project, commit), 201)


def _actions(call: Call) -> list[Action]:
    actions = call.body.get("actions")
    if actions is None and not call.flag("allow_empty"):
        raise error(400, "actions is missing")
    if not isinstance(actions or [], list) or not all(isinstance(a, dict) for a in actions or []):
        raise error(400, "actions is invalid")
    for action in actions or []:
        if action.get("action") not in KINDS:
            raise error(400, "actions[0][action] does not have a valid value")
        if not action.get("file_path"):
            raise error(400, "actions[0][file_path] is missing")
    return list(actions or [])


def _base(
    project: Project, branch: str, start_branch: str | None, start_sha: str | None, force: bool
) -> Commit | None:
    """The commit to build upon; None in an empty repository."""
    repository = project.repository
    if repository.empty:
        if start_sha is not None:
            raise message(400, f"Cannot find start_sha '{start_sha}'")
        return None
    if start_sha is not None:
        if not re.fullmatch(r"[0-9a-f]{40}", start_sha):
            raise message(400, f"Invalid start_sha '{start_sha}'")
        base = repository.commits.get(start_sha)
        if base is None:
            raise message(400, f"Cannot find start_sha '{start_sha}'")
    else:
        base = repository.resolve(f"refs/heads/{start_branch or branch}")
        if base is None:
            raise message(400, "You can only create or edit files when you are on a branch")
    different = start_sha is not None or (start_branch is not None and start_branch != branch)
    if different and branch in repository.branches and not force:
        raise message(
            400,
            f"A branch called '{branch}' already exists."
            " Switch to that branch in order to make changes",
        )
    if branch not in repository.branches and BAD_NAME.search(branch):
        raise message(
            400,
            f"Something went wrong when we tried to create '{branch}' for you:"
            " Branch name is invalid",
        )
    return base


def _check_unchanged(project: Project, base: Commit | None, action: Action) -> None:
    """Compares the file's last commit now with its last commit as of `last_commit_id`."""
    known = action.get("last_commit_id")
    if known is None or action["action"] not in COMPARED:
        return
    path = str(action.get("previous_path") or action["file_path"])
    repository = project.repository
    seen = repository.last_commit(repository.resolve(str(known)), path)
    if repository.last_commit(base, path) != seen:
        raise message(400, f"The file has changed since you started editing it: {path}")


def _apply(files: dict[str, Blob], action: Action) -> None:
    """One action upon the files of the new commit. Raises Gitaly's refusals as 400."""
    kind, path = str(action["action"]), str(action["file_path"])
    if BAD_PATH.search(path):
        raise message(400, "invalid path: '" + path + "'")
    source = str(action.get("previous_path") or path) if kind == "move" else path
    if kind == "create":
        if path in files:
            raise message(400, "A file with this name already exists")
        _no_folder(files, path)
        files[path] = Blob(_content(action), "100755" if _executable(action) else "100644")
        return
    if source not in files:
        raise message(400, "A file with this name doesn't exist")
    old = files[source]
    if kind == "update":
        files[path] = Blob(_content(action), old.mode)
    elif kind == "delete":
        del files[path]
    elif kind == "chmod":
        files[path] = Blob(old.content, "100755" if _executable(action) else "100644")
    else:
        if path in files:
            raise message(400, "A file with this name already exists")
        del files[source]
        content = old.content if action.get("content") is None else _content(action)
        files[path] = Blob(content, old.mode)


def _no_folder(files: Files, path: str) -> None:
    """A file cannot stand where a folder stands, nor below a file."""
    parents = path.split("/")[:-1]
    above = {"/".join(parents[: depth + 1]) for depth in range(len(parents))}
    if any(other.startswith(f"{path}/") for other in files):
        raise message(400, "A directory with this name already exists")
    if above & set(files):
        raise message(400, "A file with this name already exists")


def _executable(action: Action) -> bool:
    return str(action.get("execute_filemode", "")).lower() == "true"


def _content(action: Action) -> bytes:
    text = str(action.get("content") or "")
    if action.get("encoding") != "base64":
        return text.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(text, validate=False)
    except binascii.Error as bad:
        raise error(400, "actions[0][content] is not valid Base64") from bad


def _stats(project: Project, commit: Commit) -> dict[str, Any]:
    added, modified, removed = project.repository.difference(commit)
    old = project.repository.commits[commit.parents[0]].files if commit.parents else {}
    plus = sum(commit.files[p].content.count(b"\n") for p in (*added, *modified))
    minus = sum(old[p].content.count(b"\n") for p in (*removed, *modified))
    return {"stats": {"additions": plus, "deletions": minus, "total": plus + minus}}


def get_commit(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    commit = project.repository.resolve(call.ids["sha"])
    if commit is None:
        raise not_found("Commit")
    body = show_commit(call, project, commit) | _stats(project, commit)
    runs = [p for p in project.pipelines.values() if p.sha == commit.sha]
    if runs:
        last = runs[-1]
        body["last_pipeline"] = {
            "id": last.id,
            "sha": last.sha,
            "ref": last.ref,
            "status": last.status,
        }
    return Answer(body | {"status": runs[-1].status if runs else None})


def list_commits(call: Call) -> Answer:
    """History of `ref_name`; `path` keeps commits that touched it."""
    project = call.project(Role.REPORTER)
    commit = project.repository.resolve(call.query.get("ref_name"))
    if commit is None:
        if project.repository.empty:
            return Answer([])
        raise not_found("Commit")
    path = call.query.get("path")
    found = [
        c
        for c in project.repository.history(commit)
        if not path or any(path in paths for paths in project.repository.difference(c))
    ]
    return paginate(call, found, lambda item: show_commit(call, project, item))
