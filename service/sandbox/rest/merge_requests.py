"""Merge requests and their notes. Quick actions in texts are executed, as GitLab would."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from service.sandbox.payloads import addresses
from service.sandbox.refusal import Refusal, message, not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.rest.projects import show_user
from service.sandbox.state import MergeRequest, Note, Project, Role, now, stamp

LONGEST_TEXT = 1_048_576
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
QUICK_ACTION = re.compile(r"^/([a-z_]+)(?:[ \t]+(.*))?$", re.MULTILINE)
KNOWN_ACTIONS = frozenset(
    ("approve", "unapprove", "merge", "close", "reopen", "title", "draft", "ready", "rebase")
    + ("assign", "unassign", "reassign", "label", "unlabel", "relabel", "remove_label")
    + ("milestone", "lock", "unlock", "subscribe", "unsubscribe", "todo", "done", "due")
    + ("estimate", "spend", "target_branch", "copy_metadata", "assign_reviewer", "reviewer")
    + ("request_review", "react", "shrug", "tableflip", "cc", "submit_review", "run_pipeline")
)


def show(call: Call, project: Project, request: MergeRequest) -> dict[str, Any]:
    forge = call.sandbox.forge
    sha = project.repository.branches.get(request.source_branch)
    runs = [p for p in project.pipelines.values() if p.sha == sha]
    head = runs[-1] if runs else None
    return {
        "id": request.id,
        "iid": request.iid,
        "project_id": project.id,
        "title": request.title,
        "description": request.description,
        "state": request.state,
        "created_at": stamp(request.created_at),
        "updated_at": stamp(request.updated_at),
        "closed_at": stamp(request.closed_at),
        "target_branch": request.target_branch,
        "source_branch": request.source_branch,
        "source_project_id": project.id,
        "target_project_id": project.id,
        "author": show_user(forge, request.author),
        "labels": request.labels,
        "draft": request.draft,
        "work_in_progress": request.draft,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "draft_status" if request.draft else "mergeable",
        "sha": sha,
        "has_conflicts": False,
        "force_remove_source_branch": request.remove_source_branch,
        "user_notes_count": len(request.notes),
        "references": {"short": f"!{request.iid}", "full": f"{project.full_path}!{request.iid}"},
        "web_url": f"{addresses(forge, project)['web']}/-/merge_requests/{request.iid}",
        "head_pipeline": head
        and {"id": head.id, "sha": head.sha, "ref": head.ref, "status": head.status},
    }


def _find(call: Call, needed: Role = Role.REPORTER) -> tuple[Project, MergeRequest]:
    project = call.project(needed)
    request = project.merge_requests.get(call.number("iid"))
    if request is None:
        raise not_found()
    return project, request


def _labels(value: Any) -> list[str]:
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return [str(part).strip() for part in parts if str(part).strip()]


def list_merge_requests(call: Call) -> Answer:
    """Filters: `state`, `source_branch`, `target_branch`, `labels`, `author_id`, `search`."""
    project = call.project(Role.REPORTER)
    wanted = _labels(call.query.get("labels"))
    state = call.query.get("state", "all")
    found = [
        request
        for request in reversed(project.merge_requests.values())
        if state in ("all", request.state)
        and call.query.get("source_branch", request.source_branch) == request.source_branch
        and call.query.get("target_branch", request.target_branch) == request.target_branch
        and call.query.get("author_id", str(request.author.id)) == str(request.author.id)
        and call.query.get("search", "").lower() in request.title.lower()
        and set(wanted) <= set(request.labels)
    ]
    return paginate(call, found, lambda request: show(call, project, request))


def list_mine(call: Call) -> Answer:
    """`GET /merge_requests`: the caller's own in all projects, by their last change."""
    after = call.query.get("updated_after")
    edge = datetime.fromisoformat(after) if after else None
    state = call.query.get("state", "all")
    found = [
        (project, request)
        for project in call.sandbox.forge.all()
        for request in project.merge_requests.values()
        if request.author is call.user
        and state in ("all", request.state)
        and (edge is None or request.updated_at > edge)
    ]
    found.sort(key=lambda pair: pair[1].updated_at, reverse=call.query.get("sort") != "asc")
    return paginate(call, found, lambda pair: show(call, *pair))


def create_merge_request(call: Call) -> Answer:
    project = call.project(Role.DEVELOPER)
    source, target, title = call.require("source_branch", "target_branch", "title")
    for open_one in project.merge_requests.values():
        same = (open_one.source_branch, open_one.target_branch) == (source, target)
        if same and open_one.state == "opened":
            text = "Another open merge request already exists for this source branch: "
            raise Refusal(409, {"message": [f"{text}!{open_one.iid}"]})
    if source == target:
        raise Refusal(422, {"error": ["You can't use same project/branch for source and target"]})
    for kind, branch in (("source", source), ("target", target)):
        if branch not in project.repository.branches:
            raise Refusal(400, {"message": {f"{kind}_branch": [f'"{branch}" does not exist']}})
    number, iid = (
        call.sandbox.forge.next_id("mr"),
        call.sandbox.forge.next_id(f"mr of {project.id}"),
    )
    request = MergeRequest(
        number,
        iid,
        title,
        _description(call, call.text("description") or ""),
        source,
        target,
        call.user,
        _labels(call.get("labels")),
        remove_source_branch=call.flag("remove_source_branch"),
    )
    project.merge_requests[iid] = request
    _execute(call, project, request)
    call.sandbox.runner.for_request(project, call.user, request)
    return Answer(show(call, project, request), 201)


def _description(call: Call, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise message(400, f"Description is too long (maximum is {LONGEST_TEXT} characters)")
    return text


def quick_actions(text: str) -> list[tuple[str, str]]:
    """Quick actions that GitLab would run: lines starting with a known one, outside code."""
    plain = COMMENT.sub("", FENCE.sub("", text.replace("\r\n", "\n")))
    found = [(m.group(1), (m.group(2) or "").strip()) for m in QUICK_ACTION.finditer(plain)]
    return [(name, argument) for name, argument in found if name in KNOWN_ACTIONS]


def _execute(call: Call, project: Project, request: MergeRequest) -> None:
    """Runs the description's quick actions and takes them out of the text."""
    for name, argument in quick_actions(request.description):
        call.violations.append(f"quick action /{name} {argument}".rstrip())
        if name in ("close", "reopen"):
            request.state = "closed" if name == "close" else "opened"
        elif name == "label":
            request.labels += [label.strip("~ ") for label in argument.split()]
        elif name == "title":
            request.title = argument
        elif name == "ready":
            request.title = re.sub(r"^draft:\s*", "", request.title, flags=re.IGNORECASE)
        elif name == "merge":
            _merge(call, project, request)
        elif name == "target_branch" and argument in project.repository.branches:
            request.target_branch = argument
    if call.violations:
        kept = (line for line in request.description.splitlines() if not quick_actions(line))
        request.description = "\n".join(kept)


def _merge(call: Call, project: Project, request: MergeRequest) -> None:
    source = project.repository.resolve(f"refs/heads/{request.source_branch}")
    if source is not None:
        request.state, request.updated_at = "merged", now()
        text = f"Merge branch '{request.source_branch}' into '{request.target_branch}'"
        call.sandbox.push(
            project, call.user, dict(source.files), branch=request.target_branch, text=text
        )
        call.sandbox.courier.merge_request(project, call.user, request, "merge")


def get_merge_request(call: Call) -> Answer:
    return Answer(show(call, *_find(call)))


def update_merge_request(call: Call) -> Answer:
    """`PUT`: title, description, labels (`add_labels`, `remove_labels`), state_event."""
    project, request = _find(call, Role.DEVELOPER)
    request.title = call.text("title") or request.title
    if call.get("labels") is not None:
        request.labels = _labels(call.get("labels"))
    request.labels += [n for n in _labels(call.get("add_labels")) if n not in request.labels]
    dropped = _labels(call.get("remove_labels"))
    request.labels = [name for name in request.labels if name not in dropped]
    action = _turn(request, call.text("state_event") or "")
    if call.get("description") is not None:
        request.description = _description(call, call.text("description") or "")
        _execute(call, project, request)
    request.updated_at = now()
    call.sandbox.courier.merge_request(project, call.user, request, action)
    return Answer(show(call, project, request))


def _turn(request: MergeRequest, event: str) -> str:
    """Carries out a `state_event`; the action that hooks tell of."""
    if event == "close" and request.state == "opened":
        request.state, request.closed_at = "closed", now()
        return "close"
    if event == "reopen" and request.state == "closed":
        request.state = "opened"
        return "reopen"
    return "update"


def merge(call: Call) -> Answer:
    project, request = _find(call, Role.DEVELOPER)
    if request.draft or request.state != "opened":
        raise message(405, "405 Method Not Allowed")
    may = call.sandbox.forge.role(project, call.user) >= project.push_role(request.target_branch)
    if not may:
        raise message(401, "401 Unauthorized")
    _merge(call, project, request)
    return Answer(show(call, project, request))


def _show_note(call: Call, note: Note) -> dict[str, Any]:
    author = show_user(call.sandbox.forge, note.author)
    at = stamp(note.created_at)
    return {"id": note.id, "body": note.body, "author": author, "created_at": at, "system": False}


def list_notes(call: Call) -> Answer:
    _, request = _find(call)
    return paginate(call, request.notes[::-1], lambda note: _show_note(call, note))


def create_note(call: Call) -> Answer:
    _, request = _find(call)
    (body,) = call.require("body")
    for name, argument in quick_actions(body):
        call.violations.append(f"quick action /{name} {argument}".rstrip())
    note = Note(call.sandbox.forge.next_id("note"), body, call.user)
    request.notes.append(note)
    return Answer(_show_note(call, note), 201)


def update_note(call: Call) -> Answer:
    _, request = _find(call)
    (body,) = call.require("body")
    for note in request.notes:
        if note.id == call.number("note") and note.author is call.user:
            note.body = body
            return Answer(_show_note(call, note))
    raise not_found()
