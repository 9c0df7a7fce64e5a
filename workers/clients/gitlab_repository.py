"""Reading and writing a project's repository through GitLab's API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from workers.clients.gitlab_answers import Moved
from workers.clients.gitlab_ci_types import ServerLint
from workers.clients.gitlab_http import Connection
from workers.clients.gitlab_types import (
    ADMIN,
    Branch,
    Commit,
    FileState,
    GraphQLAnswer,
    Project,
    TreeEntry,
    User,
)
from workers.errors import Denied, NotFound, Rejected

_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.-]*"
_PATH = re.compile(f"{_PART}(?:/{_PART})+")
_BY_ID = re.compile(r"/api/v4/projects/(\d+)$")
MAX_PAGES = 20
OFFSET = "page="
"""Begins the token of a next page that is known by its number."""
PAGE = 100
"""Rows of one answer, GitLab's most."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a commit. GitLab has no upsert: create refuses what exists, update what not.

    `last_commit_id` is the compare-and-swap of an update: GitLab refuses it where another commit
    changed the file since.
    """

    action: Literal["create", "update"]
    file_path: str
    content: str
    last_commit_id: str | None = None


class _Name(msgspec.Struct):
    name: str


class _Version(msgspec.Struct):
    version: str


class _File(msgspec.Struct):
    content: bytes
    """GitLab sends it in Base64, and so msgspec reads it."""
    last_commit_id: str
    blob_id: str = ""


class _Member(msgspec.Struct):
    access_level: int


class _Lint(msgspec.Struct):
    valid: bool
    errors: tuple[str, ...] | None = None
    warnings: tuple[str, ...] | None = None


class Repository(Connection):
    """Projects, branches, trees, files, commits, lint, GraphQL."""

    def me(self) -> User:
        """The user that the token acts as."""
        return self.get("/user").decode(User)

    def version(self) -> str:
        """GitLab's version, as `18.8.2-ee`."""
        return self.get("/version").decode(_Version).version

    def project(self, id_or_path: int | str) -> Project:
        """A project by id or full path.

        A path that moved is looked up once more by the id that GitLab redirects to, at our own
        address. Raises NotFound, and Rejected for what cannot be a path.
        """
        if isinstance(id_or_path, str) and not _PATH.fullmatch(id_or_path):
            raise Rejected(f"{id_or_path[:200]!r} is not the path of a project")
        try:
            return self.get("/projects/{}", id_or_path).decode(Project)
        except Moved as moved:
            found = _BY_ID.search(moved.location)
            if found is None or found[1] == str(id_or_path):
                raise
            return self.get("/projects/{}", int(found[1])).decode(Project)

    def projects_after(self, project_id: int, access: int | None) -> tuple[Project, ...]:
        """A hundred projects by id, after one, that are not archived: those where the token's user
        has this access level at least, or with None all that it can see."""
        answer = self.get(
            "/projects", order_by="id", sort="asc", pagination="keyset", per_page=PAGE,
            id_after=project_id or None, archived="false", min_access_level=access,
        )  # fmt: skip
        return tuple(answer.decode(list[Project]))

    def access_level(self, project_id: int) -> int:
        """The token's own access level in the project: 30 Developer, 40 Maintainer, 60 admin.

        0 where GitLab shows the project but names no membership. Raises NotFound, Denied.
        """
        level = self.project(project_id).access_level
        if level:
            return level
        user = self.me()
        if user.is_admin:
            return ADMIN
        try:
            answer = self.get("/projects/{}/members/all/{}", project_id, user.id)
        except (NotFound, Denied):
            return 0
        return answer.decode(_Member).access_level

    def branch(self, project_id: int, name: str) -> Branch | None:
        """A branch, None where there is none."""
        try:
            answer = self.get("/projects/{}/repository/branches/{}", project_id, name)
        except NotFound:
            return None
        return answer.decode(Branch)

    def head(self, project_id: int, name: str, *, default: bool) -> str | None:
        """40 hexadecimal digits of a branch's head, None where there is none.

        Of the `default` branch also where GitLab shows commits but no branches: its name alone
        is known to be a branch's, a commit is found by a tag's as well.
        """
        found = self.branch(project_id, name)
        if found is not None:
            return found.sha
        commit = self.commit_of(project_id, name) if default else None
        return commit.sha if commit is not None else None

    def branches_with(self, project_id: int, prefix: str) -> tuple[Branch, ...]:
        """Branches whose names begin so, a hundred at most."""
        template = "/projects/{}/repository/branches"
        answer = self.get(template, project_id, search=f"^{prefix}", per_page=PAGE)
        return tuple(answer.decode(list[Branch]))

    def delete_branch(self, project_id: int, name: str) -> None:
        """Remove a branch. Raises NotFound where there is none."""
        template = "/projects/{}/repository/branches/{}"
        self.call("DELETE", template, (project_id, name), write=True)

    def protected_branches(self, project_id: int) -> tuple[str, ...]:
        """Names of protected branches; may hold `*`, which spans `/`."""
        names: list[str] = []
        for page in range(1, MAX_PAGES + 1):
            template = "/projects/{}/protected_branches"
            answer = self.get(template, project_id, per_page=100, page=page)
            names.extend(row.name for row in answer.decode(list[_Name]))
            if not answer.headers.get("x-next-page"):
                break
        return tuple(names)

    def tree_page(
        self, project_id: int, ref: str, path: str, *, recursive: bool, token: str | None = None
    ) -> tuple[tuple[TreeEntry, ...], str | None]:
        """Up to 100 entries below `path`, and the token of the next page where there is one.

        Empty where there is no such folder (GitLab 17.7 answers 404 for it). Raises NotFound for
        the root: then project or commit are gone.
        """
        try:
            answer = self.get(
                "/projects/{}/repository/tree",
                project_id,
                ref=ref,
                path=path or None,
                recursive="true" if recursive else None,
                per_page=100,
                pagination="keyset",
                page_token=token if token and not token.startswith(OFFSET) else None,
                page=token.removeprefix(OFFSET) if token and token.startswith(OFFSET) else None,
            )
        except NotFound:
            if not path:
                raise
            return (), None
        page = tuple(answer.decode(list[TreeEntry]))
        return page, _next_page(answer.headers) if page else None

    def raw(self, project_id: int, path: str, ref: str, *, max_bytes: int) -> bytes:
        """A file's first `max_bytes` bytes; the rest is not downloaded. Raises NotFound."""
        template = "/projects/{}/repository/files/{}/raw"
        return self.get(template, project_id, path, limit=max_bytes, ref=ref).body

    def file_state(self, project_id: int, path: str, ref: str) -> FileState | None:
        """A file and the last commit that changed it; None where there is none."""
        try:
            answer = self.get("/projects/{}/repository/files/{}", project_id, path, ref=ref)
        except NotFound:
            return None
        file = answer.decode(_File)
        return FileState(file.content, file.last_commit_id, file.blob_id)

    def commit_of(self, project_id: int, sha: str) -> Commit | None:
        """A commit with its message; None where there is none."""
        try:
            return self.get("/projects/{}/repository/commits/{}", project_id, sha).decode(Commit)
        except NotFound:
            return None

    def commit(
        self,
        project_id: int,
        *,
        branch: str,
        start_sha: str | None,
        message: str,
        actions: Sequence[Action],
    ) -> Commit:
        """One commit of all actions; makes `branch` at `start_sha` in the same call when given.

        Raises Conflict where a branch, file or file's state is not what the call says, Unclear
        where the answer was lost (https://docs.gitlab.com/api/commits/).
        """
        body: dict[str, Any] = {"branch": branch, "commit_message": message, "actions": actions}
        if start_sha is not None:
            body["start_sha"] = start_sha
        return self.post("/projects/{}/repository/commits", project_id, body=body).decode(Commit)

    def lint(
        self, project_id: int, content: str, ref: str | None = None, *, dry_run: bool = False
    ) -> ServerLint:
        """GitLab's own judgement of a `.gitlab-ci.yml`. `dry_run` simulates a push to `ref`."""
        body: dict[str, Any] = {"content": content, "dry_run": dry_run}
        if ref is not None:
            body["ref"] = ref
        answer = self.post("/projects/{}/ci/lint", project_id, body=body, write=False)
        found = answer.decode(_Lint)
        return ServerLint(found.valid, found.errors or (), found.warnings or ())

    def graphql(self, query: str, variables: Mapping[str, Any]) -> GraphQLAnswer:
        """One GraphQL query. What the token may not see is null without an error."""
        body = {"query": query, "variables": variables}
        answer = self.call("POST", "/graphql", (), body=body, prefix="/api")
        return answer.decode(GraphQLAnswer)

    def languages(self, project_id: int) -> dict[str, float]:
        """GitLab's share of each language in per cent."""
        return self.get("/projects/{}/languages", project_id).decode(dict[str, float])


def _next_page(headers: Mapping[str, str]) -> str | None:
    """The `page_token` of a keyset answer's `Link: <…>; rel="next"`, never its address; where
    GitLab pages by number (before 15.0), that."""
    for part in headers.get("link", "").split(","):
        if 'rel="next"' in part and (found := re.search(r"[?&]page_token=([^&>]+)", part)):
            return unquote(found[1])
    number = headers.get("x-next-page", "")
    return f"{OFFSET}{number}" if number.isdigit() else None
