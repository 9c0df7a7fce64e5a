"""Nodes of the GraphQL answer: mappings whose values may be functions of a field's arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.sandbox.core import Sandbox
from service.sandbox.graphql_ci import (
    Arguments,
    Node,
    connection,
    pipeline_node,
    request_node,
)
from service.sandbox.graphql_query import BadQuery
from service.sandbox.languages import shares
from service.sandbox.payloads import addresses
from service.sandbox.refusal import Refusal
from service.sandbox.repository import Blob, Commit, TreeEntry
from service.sandbox.state import Pipeline, Project, Role, User, stamp

MOST_PATHS = 100


def root(sandbox: Sandbox, user: User | None) -> Node:
    """The query's root for this caller; what it may not see is null, without an error."""

    def project(arguments: Arguments) -> Node | None:
        try:
            found = sandbox.forge.find_project(str(arguments.get("fullPath", "")))
        except Refusal:
            return None
        role = sandbox.forge.role(found, user)
        return None if role < Role.GUEST else project_node(sandbox, found, role)

    return {
        "project": project,
        "currentUser": user and {
            "id": f"gid://gitlab/User/{user.id}",
            "username": user.username,
            "name": user.name,
            "bot": user.bot,
        },
        "metadata": user and {"version": "18.8.0", "revision": "sandbox", "enterprise": False},
    }  # fmt: skip


def project_node(sandbox: Sandbox, project: Project, role: Role) -> Node:
    code = role >= Role.REPORTER
    commit = project.repository.resolve(None)
    pipelines = list(project.pipelines.values())[::-1] if code else []

    def find_pipeline(arguments: Arguments) -> Node | None:
        for pipeline in pipelines:
            if _is(pipeline, arguments):
                return pipeline_node(sandbox, project, pipeline)
        return None

    def list_pipelines(arguments: Arguments) -> Node:
        wanted = {k: arguments[k] for k in ("sha", "ref", "source") if arguments.get(k)}
        found = [p for p in pipelines if all(getattr(p, k) == v for k, v in wanted.items())]
        return connection(found, arguments, lambda p: pipeline_node(sandbox, project, p))

    def find_request(arguments: Arguments) -> Node | None:
        request = project.merge_requests.get(int(arguments.get("iid") or 0))
        return request_node(sandbox, project, request) if request and code else None

    def list_requests(arguments: Arguments) -> Node:
        branches, state = arguments.get("sourceBranches"), arguments.get("state")
        found = [
            r
            for r in project.merge_requests.values()
            if code
            and (not branches or r.source_branch in branches)
            and (not state or state in ("all", r.state))
        ]
        return connection(found, arguments, lambda r: request_node(sandbox, project, r))

    languages = shares(commit.files) if commit and code else {}
    return {
        "id": f"gid://gitlab/Project/{project.id}",
        "name": project.name,
        "path": project.path,
        "fullPath": project.full_path,
        "webUrl": addresses(sandbox.forge, project)["web"],
        "archived": project.archived,
        "visibility": project.visibility,
        "importStatus": project.import_status,
        "jobsEnabled": project.builds_access_level != "disabled",
        "ciConfigPathOrDefault": project.ci_config_path or ".gitlab-ci.yml",
        "languages": [{"name": name, "share": share} for name, share in languages.items()],
        "repository": repository_node(project) if code else None,
        "pipeline": find_pipeline,
        "pipelines": list_pipelines,
        "mergeRequest": find_request,
        "mergeRequests": list_requests,
    }


def _is(pipeline: Pipeline, arguments: Arguments) -> bool:
    if arguments.get("id"):
        return str(arguments["id"]).rpartition("/")[2] == str(pipeline.id)
    if arguments.get("iid"):
        return str(arguments["iid"]) == str(pipeline.iid)
    return bool(arguments.get("sha")) and arguments["sha"] == pipeline.sha


def repository_node(project: Project) -> Node:
    repository = project.repository

    def tree(arguments: Arguments) -> Node | None:
        commit = repository.resolve(arguments.get("ref"))
        if commit is None:
            return None
        path = str(arguments.get("path") or "")
        entries = repository.listing(commit, path, bool(arguments.get("recursive"))) or []
        return tree_node(commit, entries)

    def blobs(arguments: Arguments) -> Node:
        paths = [str(path) for path in arguments.get("paths") or []]
        if len(paths) > MOST_PATHS:
            raise BadQuery(f"At most {MOST_PATHS} paths can be asked for at once")
        commit = repository.resolve(arguments.get("ref"))
        files = commit.files if commit else {}
        found = [(p, files[p]) for p in paths if p in files and not files[p].submodule]
        return connection(found, arguments, lambda item: blob_node(*item))

    return {
        "empty": repository.empty,
        "exists": True,
        "rootRef": None if repository.empty else repository.default_branch,
        "tree": tree,
        "blobs": blobs,
        "branchNames": lambda _: sorted(repository.branches),
    }


def tree_node(commit: Commit, entries: Sequence[TreeEntry]) -> Node:
    def some(kind: str) -> Callable[[Arguments], Node]:
        found = [entry for entry in entries if entry.type == kind]
        return lambda arguments: connection(found, arguments, entry_node)

    last = {
        "sha": commit.sha,
        "shortId": commit.sha[:8],
        "title": commit.title,
        "message": commit.message,
        "authorName": commit.author.name,
        "committedDate": stamp(commit.at),
    }
    return {
        "lastCommit": last,
        "blobs": some("blob"),
        "trees": some("tree"),
        "submodules": some("commit"),
    }


def entry_node(entry: TreeEntry) -> Node:
    """An entry of a tree: no size, as GitLab's."""
    return {
        "id": f"gid://gitlab/Gitlab::Graphql::Representation::TreeEntry/{entry.id}",
        "sha": entry.id,
        "name": entry.name,
        "path": entry.path,
        "type": entry.type,
        "flatPath": entry.path,
        "mode": entry.mode,
    }


def blob_node(path: str, blob: Blob) -> Node:
    """Sizes are BigInt, hence text; a binary file has no text."""
    text: str | None = None
    if b"\0" not in blob.content[:8000]:
        text = blob.content.decode("utf-8", "replace")
    return {
        "id": f"gid://gitlab/Blob/{blob.sha}",
        "oid": blob.sha,
        "path": path,
        "name": path.rpartition("/")[2],
        "mode": blob.mode,
        "size": str(len(blob.content)),
        "rawSize": str(len(blob.content)),
        "rawBlob": text,
        "rawTextBlob": text,
    }
