"""The whole instance: who is there, which projects, and which settings are on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import msgspec

from service.sandbox.refusal import Refusal, message, not_found
from service.sandbox.state import Group, Hook, Project, Role, Token, User


class Switches(msgspec.Struct):
    """Instance settings that tests turn; defaults let the demo work on one machine."""

    hooks: bool = True
    local_requests: bool = True
    auto_disable_hooks: bool = False
    system_push_events: bool = False
    graphql: bool = True
    graphql_single_blob: bool = False
    initial_push_by_developers: bool = False
    merge_request_pipelines: bool = True
    requests_per_minute: int = 0
    """Each caller's limit, answered with 429 above it; 0 is none."""
    signing_tokens: bool = True
    premium: bool = True
    """Off: no webhooks of groups, as on GitLab Free."""
    hook_duplicate: float = 0.0
    """Probability that a delivery is sent twice."""
    hook_reorder_s: float = 0.0
    """Deliveries wait a random time up to this many seconds, so their order is lost."""
    hook_drop: float = 0.0
    """Probability that a delivery is never sent."""


class Forge(msgspec.Struct):
    """The whole instance."""

    url: str = ""
    users: dict[int, User] = msgspec.field(default_factory=dict)
    tokens: dict[str, Token] = msgspec.field(default_factory=dict)
    projects: dict[int, Project] = msgspec.field(default_factory=dict)
    groups: dict[str, Group] = msgspec.field(default_factory=dict)
    """By full path."""
    system_hooks: dict[int, Hook] = msgspec.field(default_factory=dict)
    switches: Switches = msgspec.field(default_factory=Switches)
    moved: dict[str, int] = msgspec.field(default_factory=dict)
    """Former paths, in lower case, of projects that were renamed or transferred."""
    counters: dict[str, int] = msgspec.field(default_factory=dict)

    def next_id(self, kind: str) -> int:
        """The next number of a sequence, from 1."""
        self.counters[kind] = self.counters.get(kind, 0) + 1
        return self.counters[kind]

    def add_user(self, username: str, *, admin: bool = False, bot: bool = False) -> User:
        """A new user, or the one of that name."""
        for user in self.users.values():
            if user.username == username:
                return user
        name = username.replace("-", " ").replace("_", " ").title()
        email = f"{username}@example.com"
        user = User(self.next_id("user"), username, name, email, admin, bot)
        self.users[user.id] = user
        return user

    def add_token(self, user: User, scopes: frozenset[str], value: str | None = None) -> str:
        """Issues a token and answers its text."""
        text = value or f"glpat-{secrets.token_urlsafe(15)}"
        self.tokens[text] = Token(user, scopes)
        return text

    def group(self, path: str) -> Group:
        """The namespace of that path; it comes into being when it is first asked for."""
        if path not in self.groups:
            person = any(user.username == path for user in self.users.values())
            kind = "user" if person else "group"
            self.groups[path] = Group(self.next_id("namespace"), path, kind)
        return self.groups[path]

    def find_group(self, key: str) -> Group:
        """By number or full path. Raises `Refusal` 404."""
        for group in self.groups.values():
            if group.kind == "group" and key in (str(group.id), group.full_path):
                return group
        raise not_found("Group")

    def groups_of(self, project: Project) -> list[Group]:
        """The project's group and those above it."""
        above = [g for p, g in self.groups.items() if f"{project.namespace}/".startswith(f"{p}/")]
        return [group for group in above if group.kind == "group"]

    def find_project(self, key: str) -> Project:
        """By number or full path. Raises `Refusal` 404, or 301 where the project has moved."""
        if key.isdigit():
            project = self.projects.get(int(key))
        else:
            wanted = key.lower()
            project = next((p for p in self.all() if p.full_path.lower() == wanted), None)
            if project is None and wanted in self.moved:
                where = f"{self.url}/api/v4/projects/{self.moved[wanted]}"
                raise Refusal(301, {"message": "Moved Permanently"}, {"Location": where})
        if project is None:
            raise not_found("Project")
        return project

    def all(self) -> Iterator[Project]:
        return iter(self.projects.values())

    def add_project(self, path: str, owner: User, *, name: str | None = None) -> Project:
        """A new empty project at `namespace/name`. Raises `Refusal` 400 where the path is taken."""
        namespace, _, slug = path.strip("/").rpartition("/")
        if any(p.full_path.lower() == path.strip("/").lower() for p in self.all()):
            raise message(400, "Path has already been taken")
        space = self.group(namespace or owner.username)
        project = Project(self.next_id("project"), name or slug, slug, space.full_path)
        project.members[owner.id] = Role.OWNER
        self.projects[project.id] = project
        return project

    def move(self, project: Project, path: str) -> str:
        """Gives a project another path; the old one redirects. Answers the old one."""
        old = project.full_path
        self.moved[old.lower()] = project.id
        self.moved.pop(path.lower(), None)
        project.namespace, _, project.path = path.rpartition("/")
        self.group(project.namespace)
        return old

    def role(self, project: Project, user: User | None) -> Role:
        """What `user` is in `project`; administrators are owners everywhere."""
        if user is None:
            return Role.GUEST if project.visibility == "public" else Role.NONE
        if user.admin:
            return Role.OWNER
        open_to_all = project.visibility in ("public", "internal")
        return project.members.get(user.id, Role.GUEST if open_to_all else Role.NONE)
