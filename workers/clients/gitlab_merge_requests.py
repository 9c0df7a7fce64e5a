"""Merge requests through GitLab's API (https://docs.gitlab.com/api/merge_requests/)."""

from __future__ import annotations

from typing import Any

from workers.clients.gitlab_http import Connection
from workers.clients.gitlab_types import MergeRequest

DRAFT = "Draft: "
"""The prefix that makes a merge request a draft."""


class MergeRequests(Connection):
    """Finding, opening and editing merge requests."""

    def merge_request_of(self, project_id: int, source_branch: str) -> MergeRequest | None:
        """The open merge request of a source branch, else the newest closed or merged one."""
        answer = self.get(
            "/projects/{}/merge_requests",
            project_id,
            state="all",
            source_branch=source_branch,
            per_page=20,
        )
        found = answer.decode(list[MergeRequest])
        opened = [one for one in found if one.state == "opened"]
        return next(iter(opened + found), None)

    def my_merge_requests(
        self, updated_after: str | None, page: int = 1
    ) -> tuple[tuple[MergeRequest, ...], bool]:
        """A hundred of those that this token's user made, in all projects and states, by their
        last change; and whether there are more."""
        answer = self.get(
            "/merge_requests", scope="created_by_me", state="all", order_by="updated_at",
            sort="asc", updated_after=updated_after, per_page=100, page=page,
        )  # fmt: skip
        return tuple(answer.decode(list[MergeRequest])), bool(answer.headers.get("x-next-page"))

    def merge_request(self, project_id: int, iid: int) -> MergeRequest:
        """A merge request by its number. Raises NotFound."""
        return self.get("/projects/{}/merge_requests/{}", project_id, iid).decode(MergeRequest)

    def create_merge_request(
        self, project_id: int, *, source: str, target: str, title: str, text: str
    ) -> MergeRequest:
        """Open one. Raises Conflict where source and target have an open one already."""
        body = {
            "source_branch": source,
            "target_branch": target,
            "title": title,
            "description": text,
            "remove_source_branch": True,
        }
        return self.post("/projects/{}/merge_requests", project_id, body=body).decode(MergeRequest)

    def update_merge_request(
        self, project_id: int, iid: int, *, title: str | None = None, text: str | None = None,
        reopen: bool = False, without_label: str | None = None,
    ) -> MergeRequest:  # fmt: skip
        """Replace title or description; open it again; take a label off."""
        changes: dict[str, Any] = {
            "title": title, "description": text, "remove_labels": without_label,
            "state_event": "reopen" if reopen else None,
        }  # fmt: skip
        body = {key: value for key, value in changes.items() if value is not None}
        answer = self.put("/projects/{}/merge_requests/{}", project_id, iid, body=body)
        return answer.decode(MergeRequest)

    def note(self, project_id: int, iid: int, text: str) -> None:
        """Add a comment."""
        template = "/projects/{}/merge_requests/{}/notes"
        self.post(template, project_id, iid, body={"body": text})
