"""GitLab's predefined variables, as far as rules ask for them, and a project's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.sandbox.forge import Forge
from service.sandbox.repository import Commit
from service.sandbox.state import MergeRequest, Project


def open_requests(project: Project, branch: str) -> Iterator[MergeRequest]:
    """Open merge requests from `branch`."""
    for request in project.merge_requests.values():
        if request.state == "opened" and request.source_branch == branch:
            yield request


def variables_for(
    forge: Forge,
    project: Project,
    commit: Commit,
    branch: str,
    source: str,
    request: MergeRequest | None = None,
) -> dict[str, str]:
    """Variables of a pipeline; protected ones only on a protected branch."""
    protected = project.is_protected(branch)
    known = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_COMMIT_SHA": commit.sha,
        "CI_COMMIT_SHORT_SHA": commit.sha[:8],
        "CI_COMMIT_MESSAGE": commit.message,
        "CI_COMMIT_TITLE": commit.title,
        "CI_COMMIT_REF_NAME": branch,
        "CI_COMMIT_REF_SLUG": re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")[:63],
        "CI_COMMIT_REF_PROTECTED": "true" if protected else "false",
        "CI_DEFAULT_BRANCH": project.repository.default_branch,
        "CI_PIPELINE_SOURCE": source,
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": project.path,
        "CI_PROJECT_PATH": project.full_path,
        "CI_PROJECT_NAMESPACE": project.namespace,
        "CI_SERVER_URL": forge.url,
        "CI_API_V4_URL": f"{forge.url}/api/v4",
    }
    if project.container_registry_enabled:
        host = forge.url.partition("://")[2]
        known |= {"CI_REGISTRY": host, "CI_REGISTRY_IMAGE": f"{host}/{project.full_path.lower()}"}
    known |= _of_request(request) if request else {"CI_COMMIT_BRANCH": branch}
    requests = [f"{project.full_path}!{r.iid}" for r in open_requests(project, branch)]
    if requests:
        known["CI_OPEN_MERGE_REQUESTS"] = ",".join(requests[:4])
    for variable in project.variables.values():
        if protected or not variable.protected:
            known[variable.key] = variable.value
    return known


def _of_request(request: MergeRequest) -> dict[str, str]:
    return {
        "CI_MERGE_REQUEST_IID": str(request.iid),
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": request.source_branch,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": request.target_branch,
    }
