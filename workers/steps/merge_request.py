"""The merge request of our branch: opened as a draft, marked ready once its pipeline is green."""

from __future__ import annotations

import msgspec

from workers.clients.gitlab import GitLab
from workers.clients.gitlab_merge_requests import DRAFT
from workers.clients.gitlab_types import MergeRequest
from workers.errors import Conflict, NotFound, Unclear


class Opened(msgspec.Struct, frozen=True):
    """A merge request's number in the project, and its page."""

    iid: int
    url: str
    state: str = "opened"


def open_draft(
    gitlab: GitLab,
    project_id: int,
    branch: str,
    target: str,
    title: str,
    text: str,
    *,
    fresh: bool,
    again: bool,
) -> Opened:
    """The draft merge request of our branch, opened or brought up to date.

    One that a person closed stays closed, unless there is a `fresh` commit to look at, or one
    asked for it `again`. Raises what the client raises.
    """
    look = again or not fresh
    found = gitlab.merge_request_of(project_id, branch) if look else None
    if found is None or (fresh and found.state == "merged"):
        try:
            return _opened(
                gitlab.create_merge_request(
                    project_id,
                    source=branch,
                    target=target,
                    title=DRAFT + title,
                    text=text,
                )
            )
        except (Conflict, Unclear):
            found = gitlab.merge_request_of(project_id, branch)
            if found is None or found.state != "opened":
                raise
    closed = found.state == "closed" and again
    if closed or (found.state == "opened" and found.description != text):
        found = gitlab.update_merge_request(project_id, found.iid, text=text, reopen=closed)
    return _opened(found)


def mark_ready(
    gitlab: GitLab, project_id: int, iid: int, title: str, text: str, *, branch: str
) -> None:
    """The pipeline is green: the merge request is no draft any more, its text says how it went.

    A title that a person gave it stays; `title` is for one that has none left without its prefix.
    Raises NotFound where it is gone; `branch` is its source.
    """
    try:
        found = gitlab.merge_request(project_id, iid)
    except NotFound:
        listed = gitlab.merge_request_of(project_id, branch)
        if listed is None or listed.iid != iid:
            raise
        found = listed
    named = found.title
    while named.startswith(DRAFT):
        named = named.removeprefix(DRAFT)
    wanted = (named or title.removeprefix(DRAFT)) if named != found.title else None
    gitlab.update_merge_request(project_id, iid, title=wanted, text=text)


def _opened(found: MergeRequest) -> Opened:
    return Opened(found.iid, found.web_url, found.state)
