"""Trees, files, branches and protected branches."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from service.sandbox.payloads import addresses
from service.sandbox.refusal import message, not_found
from service.sandbox.repository import ZERO, Blob, Change, Commit, TreeEntry
from service.sandbox.rest.call import Answer, Call, keyset, paginate
from service.sandbox.state import Project, Role, stamp

BAD_NAME = re.compile(r"\.\.|^[-/]|[ ~^:?*\[\\\x00-\x1f\x7f]|//|/$|\.lock$|^$|@\{|\.$")


def entry_body(entry: TreeEntry) -> dict[str, str]:
    return {
        "id": entry.id,
        "name": entry.name,
        "type": entry.type,
        "path": entry.path,
        "mode": entry.mode,
    }


def tree(call: Call) -> Answer:
    """`repository/tree`; 404 for an unknown ref, a missing path or an empty repository."""
    project = call.project(Role.REPORTER)
    commit = project.repository.resolve(call.query.get("ref"))
    if commit is None:
        raise not_found("Tree")
    path = call.query.get("path", "")
    entries = project.repository.listing(commit, path, call.flag("recursive"))
    if entries is None:
        raise message(404, "404 invalid revision or path Not Found")
    if call.query.get("pagination") == "keyset":
        return keyset(call, entries, lambda entry: entry.id + entry.path, entry_body)
    return paginate(call, entries, entry_body)


def _file(call: Call) -> tuple[Project, Commit, str, Blob]:
    project = call.project(Role.REPORTER)
    path = call.ids["path"]
    commit = project.repository.resolve(call.query.get("ref"))
    if commit is None:
        raise not_found("Commit")
    blob = commit.files.get(path)
    if blob is None or blob.submodule:
        raise not_found("File")
    return project, commit, path, blob


def file(call: Call) -> Answer:
    """A file as JSON: Base64 content, its size, ids of blob and commits."""
    project, commit, path, blob = _file(call)
    last = project.repository.last_commit(commit, path)
    body = {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(blob.content),
        "encoding": "base64",
        "content_sha256": hashlib.sha256(blob.content).hexdigest(),
        "ref": call.query.get("ref", "HEAD"),
        "blob_id": blob.sha,
        "commit_id": commit.sha,
        "last_commit_id": last.sha if last else None,
        "execute_filemode": blob.mode == "100755",
        "content": base64.b64encode(blob.content).decode(),
    }
    headers = {
        "X-Gitlab-Blob-Id": blob.sha,
        "X-Gitlab-Commit-Id": commit.sha,
        "X-Gitlab-Last-Commit-Id": last.sha if last else "",
        "X-Gitlab-Size": str(len(blob.content)),
    }
    return Answer(body, headers=headers)


def raw(call: Call) -> Answer:
    *_, path, blob = _file(call)
    headers = {
        "X-Gitlab-Blob-Id": blob.sha,
        "X-Gitlab-File-Name": path.rpartition("/")[2].encode("ascii", "replace").decode(),
        "X-Gitlab-Size": str(len(blob.content)),
    }
    return Answer(blob.content, headers=headers, media="text/plain; charset=utf-8")


def show_commit(call: Call, project: Project, commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.sha,
        "short_id": commit.sha[:8],
        "created_at": stamp(commit.at),
        "parent_ids": list(commit.parents),
        "title": commit.title,
        "message": commit.message,
        "author_name": commit.author.name,
        "author_email": commit.author.email,
        "authored_date": stamp(commit.at),
        "committer_name": commit.author.name,
        "committer_email": commit.author.email,
        "committed_date": stamp(commit.at),
        "trailers": trailers(commit.message),
        "web_url": f"{addresses(call.sandbox.forge, project)['web']}/-/commit/{commit.sha}",
    }


def trailers(text: str) -> dict[str, str]:
    """Git trailers of a message's last paragraph."""
    last = text.strip().rpartition("\n\n")[2] if "\n\n" in text.strip() else ""
    pairs = [line.partition(": ") for line in last.splitlines()]
    return {key: value for key, mark, value in pairs if mark and re.fullmatch(r"[\w-]+", key)}


def show_branch(call: Call, project: Project, name: str) -> dict[str, Any]:
    commit = project.repository.commits[project.repository.branches[name]]
    forge = call.sandbox.forge
    role = forge.role(project, call.token.user if call.token else None)
    return {
        "name": name,
        "merged": False,
        "protected": project.is_protected(name),
        "developers_can_push": project.push_role(name) <= Role.DEVELOPER,
        "developers_can_merge": False,
        "can_push": role >= project.push_role(name),
        "default": name == project.repository.default_branch,
        "web_url": f"{addresses(forge, project)['web']}/-/tree/{name}",
        "commit": show_commit(call, project, commit),
    }


def list_branches(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    wanted = call.query.get("search", "")
    names = sorted(project.repository.branches)
    if wanted.startswith("^"):
        names = [name for name in names if name.startswith(wanted[1:])]
    else:
        names = [name for name in names if wanted in name]
    return paginate(call, names, lambda name: show_branch(call, project, name))


def get_branch(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    if call.ids["branch"] not in project.repository.branches:
        raise not_found("Branch")
    return Answer(show_branch(call, project, call.ids["branch"]))


def may_push(call: Call, project: Project, branch: str) -> None:
    """Raises 403 in GitLab's words where the caller may not push to `branch`."""
    forge = call.sandbox.forge
    role = forge.role(project, call.user)
    needed = project.push_role(branch)
    if project.repository.empty and forge.switches.initial_push_by_developers:
        needed = Role.DEVELOPER
    if role < max(needed, Role.DEVELOPER) or project.archived:
        raise message(403, "403 Forbidden - You are not allowed to push into this branch")


def create_branch(call: Call) -> Answer:
    project = call.project(Role.DEVELOPER)
    name, ref = call.require("branch", "ref")
    may_push(call, project, name)
    if BAD_NAME.search(name):
        raise message(400, "Branch name is invalid")
    if name in project.repository.branches:
        raise message(400, "Branch already exists")
    commit = project.repository.resolve(ref)
    if commit is None:
        raise message(400, f"Invalid reference name: {ref}")
    project.repository.branches[name] = commit.sha
    change = Change(ZERO, commit.sha, f"refs/heads/{name}")
    call.sandbox.settle(project, call.user, [change])
    return Answer(show_branch(call, project, name), 201)


def delete_branch(call: Call) -> Answer:
    project = call.project(Role.DEVELOPER)
    name = call.ids["branch"]
    if name not in project.repository.branches:
        raise not_found("Branch")
    if project.is_protected(name):
        raise message(400, "Protected branch cannot be removed")
    call.sandbox.delete_branch(project, call.user, name)
    return Answer(status=204)


def _show_protected(project: Project, name: str) -> dict[str, Any]:
    level = int(project.protected[name])
    access = [
        {"id": 1, "access_level": level, "access_level_description": Role(level).name.title()}
    ]
    return {
        "id": 1 + list(project.protected).index(name),
        "name": name,
        "push_access_levels": access,
        "merge_access_levels": access,
        "allow_force_push": False,
        "code_owner_approval_required": False,
        "inherited": False,
    }


def list_protected_branches(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    return paginate(call, list(project.protected), lambda name: _show_protected(project, name))


def get_protected_branch(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    if call.ids["name"] not in project.protected:
        raise not_found()
    return Answer(_show_protected(project, call.ids["name"]))


def list_protected_tags(call: Call) -> Answer:
    call.project(Role.REPORTER)
    return paginate(call, [], lambda name: name)
