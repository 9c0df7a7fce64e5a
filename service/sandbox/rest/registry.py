"""GitLab's own registry: what jobs of the stage `build` would have pushed, with made-up sizes."""

from __future__ import annotations

from typing import Any

from service.sandbox.refusal import not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.state import Project, Role

SIMULATED_SIZE = 23_400_000


def _built(project: Project) -> list[str]:
    """The commits whose image there is."""
    return [
        pipeline.sha
        for pipeline in project.pipelines.values()
        if any(job.stage == "build" and job.status == "success" for job in pipeline.latest_jobs())
    ]


def _project(call: Call) -> Project:
    project = call.project(Role.REPORTER)
    if not project.container_registry_enabled:
        raise not_found()
    return project


def list_repositories(call: Call) -> Answer:
    """One repository named `app` once there is an image."""
    project = _project(call)
    return paginate(call, [project] if _built(project) else [], _show)


def _show(project: Project) -> dict[str, Any]:
    return {"id": project.id, "name": "app", "path": f"{project.full_path}/app"}


def get_tag(call: Call) -> Answer:
    """A tag with its size; 404 for one that nothing pushed."""
    project = _project(call)
    tag = call.ids["tag"]
    if call.number("repository") != project.id or tag not in _built(project):
        raise not_found()
    path = f"{project.full_path}/app:{tag}"
    return Answer({"name": tag, "path": path, "total_size": SIMULATED_SIZE})
