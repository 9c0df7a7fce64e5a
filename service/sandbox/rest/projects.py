"""Projects, users, members, the instance itself, languages, variables."""

from __future__ import annotations

from typing import Any

from service.sandbox.core import GITLAB_VERSION
from service.sandbox.forge import Forge
from service.sandbox.languages import shares
from service.sandbox.payloads import addresses, avatar
from service.sandbox.refusal import message, not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.state import Project, Role, User, Variable, stamp


def show_user(forge: Forge, user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": "active",
        "locked": False,
        "avatar_url": avatar(user),
        "web_url": f"{forge.url}/{user.username}",
    }


def show_project(call: Call, project: Project) -> dict[str, Any]:
    """A project as `GET /projects/:id`; what needs read_code is left out below Reporter."""
    forge = call.sandbox.forge
    user = call.token.user if call.token else None
    role = forge.role(project, user)
    where = addresses(forge, project)
    space = forge.group(project.namespace)
    granted = None if user is None else project.members.get(user.id)
    access = granted and {"access_level": int(granted), "notification_level": 3}
    body: dict[str, Any] = {
        "id": project.id,
        "description": "",
        "name": project.name,
        "name_with_namespace": f"{project.namespace} / {project.name}",
        "path": project.path,
        "path_with_namespace": project.full_path,
        "created_at": stamp(project.created_at),
        "last_activity_at": stamp(project.updated_at),
        "web_url": where["web"],
        "http_url_to_repo": where["http"],
        "ssh_url_to_repo": where["ssh"],
        "namespace": {
            "id": space.id,
            "name": space.full_path.rpartition("/")[2],
            "path": space.full_path.rpartition("/")[2],
            "kind": space.kind,
            "full_path": space.full_path,
        },
        "visibility": project.visibility,
        "topics": [],
    }
    if role >= Role.REPORTER:
        # Not null on an empty repository either: GitLab answers the name it would use.
        body["default_branch"] = project.repository.default_branch
    if call.token is not None:
        body |= _settings(project)
        body["permissions"] = {"project_access": access, "group_access": None}
    return body


def _settings(project: Project) -> dict[str, Any]:
    enabled = project.builds_access_level != "disabled"
    return {
        "empty_repo": project.repository.empty,
        "archived": project.archived,
        "import_status": project.import_status,
        "import_error": None,
        "builds_access_level": project.builds_access_level,
        "jobs_enabled": enabled,
        "repository_access_level": "enabled",
        "merge_requests_enabled": project.merge_requests_enabled,
        "merge_requests_access_level": _level(project.merge_requests_enabled),
        "ci_config_path": project.ci_config_path or "",
        "auto_devops_enabled": project.auto_devops_enabled,
        "shared_runners_enabled": True,
        "only_allow_merge_if_pipeline_succeeds": False,
        "container_registry_enabled": project.container_registry_enabled,
        "container_registry_access_level": _level(project.container_registry_enabled),
        "marked_for_deletion_at": None,
    }


def _level(enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


def get_project(call: Call) -> Answer:
    return Answer(show_project(call, call.project()))


def list_projects(call: Call) -> Answer:
    """Projects that the caller may see; `search`, `membership`, `archived`, `min_access_level`.

    Newest first, or by `id_after` with `order_by=id&sort=asc`, as keyset pagination goes.
    """
    forge = call.sandbox.forge
    user = call.token.user if call.token else None
    wanted = (call.text("search") or "").lower()
    level = call.query.get("min_access_level", "")
    least = Role(int(level)) if level.isdigit() else Role.GUEST
    archived = call.query.get("archived")
    edge = call.query.get("id_after", "")
    seen = [
        project
        for project in forge.all()
        if forge.role(project, user) >= least
        and wanted in project.full_path.lower()
        and archived in (None, str(project.archived).lower())
        and (not edge.isdigit() or project.id > int(edge))
    ]
    if call.flag("membership") and user is not None:
        seen = [project for project in seen if user.id in project.members]
    if call.query.get("sort") == "asc":
        return paginate(call, seen, lambda project: show_project(call, project))
    return paginate(call, seen[::-1], lambda project: show_project(call, project))


def create_project(call: Call) -> Answer:
    """`POST /projects`; the caller becomes its owner, and `project_create` goes out."""
    name = call.text("name") or call.text("path")
    if name is None:
        raise message(400, "name, path are missing, at least one parameter must be provided")
    path = call.text("path") or name.lower().replace(" ", "-")
    namespace = call.text("namespace_path") or call.user.username
    project = call.sandbox.create_project(f"{namespace}/{path}", call.user)
    project.visibility = call.text("visibility") or "private"
    return Answer(show_project(call, project), 201)


def delete_project(call: Call) -> Answer:
    project = call.project(Role.OWNER)
    del call.sandbox.forge.projects[project.id]
    call.sandbox.courier.project_event(project, "project_destroy")
    return Answer({"message": "202 Accepted"}, 202)


def get_group(call: Call) -> Answer:
    call.login()
    group = call.sandbox.forge.find_group(call.ids["group"])
    web = f"{call.sandbox.forge.url}/groups/{group.full_path}"
    name = group.full_path.rpartition("/")[2]
    body = {"id": group.id, "name": name, "path": name, "full_path": group.full_path}
    return Answer({**body, "visibility": "private", "web_url": web})


def current_user(call: Call) -> Answer:
    user = call.user
    body = show_user(call.sandbox.forge, user) | {"email": user.email, "bot": user.bot}
    if user.admin:
        body["is_admin"] = True
    return Answer(body)


def version(call: Call) -> Answer:
    call.login()
    return Answer({"version": GITLAB_VERSION, "revision": "sandbox"})


def metadata(call: Call) -> Answer:
    external = {"enabled": False, "externalUrl": None, "version": None}
    call.login()
    body = {"version": GITLAB_VERSION, "revision": "sandbox", "kas": external, "enterprise": False}
    return Answer(body)


def token_self(call: Call) -> Answer:
    """`GET /personal_access_tokens/self`: scopes of the token in use."""
    user = call.user
    scopes = sorted(call.token.scopes) if call.token else []
    body = {"id": user.id, "name": "sandbox", "revoked": False, "active": True, "scopes": scopes}
    return Answer(body | {"user_id": user.id, "expires_at": None})


def member(call: Call) -> Answer:
    """`members/all/:user_id`: inherited rights included."""
    project = call.project()
    user = call.sandbox.forge.users.get(call.number("user"))
    role = project.members.get(user.id) if user else None
    if user is None or role is None:
        raise not_found()
    body = show_user(call.sandbox.forge, user)
    return Answer(body | {"access_level": int(role), "expires_at": None})


def languages(call: Call) -> Answer:
    project = call.project(Role.REPORTER)
    commit = project.repository.resolve(None)
    return Answer(shares(commit.files) if commit else {})


def _show_variable(variable: Variable) -> dict[str, Any]:
    return {
        "variable_type": "env_var",
        "key": variable.key,
        "value": variable.value,
        "protected": variable.protected,
        "masked": variable.masked,
        "raw": False,
        "environment_scope": "*",
    }


def list_variables(call: Call) -> Answer:
    project = call.project(Role.MAINTAINER)
    return paginate(call, list(project.variables.values()), _show_variable)


def create_variable(call: Call) -> Answer:
    project = call.project(Role.MAINTAINER)
    key, value = call.require("key", "value")
    if key in project.variables:
        raise message(400, f"(({key}) has already been taken)")
    variable = Variable(key, value, call.flag("protected"), call.flag("masked"))
    project.variables[key] = variable
    return Answer(_show_variable(variable), 201)


def get_variable(call: Call) -> Answer:
    project = call.project(Role.MAINTAINER)
    if call.ids["key"] not in project.variables:
        raise not_found("Variable")
    return Answer(_show_variable(project.variables[call.ids["key"]]))


def delete_variable(call: Call) -> Answer:
    project = call.project(Role.MAINTAINER)
    if project.variables.pop(call.ids["key"], None) is None:
        raise not_found("Variable")
    return Answer(status=204)
