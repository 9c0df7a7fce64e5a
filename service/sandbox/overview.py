"""A project in one answer, for those who look from behind the scenes."""

from __future__ import annotations

from typing import Any

from service.sandbox.forge import Forge
from service.sandbox.state import Project


def overview(forge: Forge, project: Project) -> dict[str, Any]:
    """A project in one answer."""
    heads = project.repository.branches.items()
    return {
        "id": project.id,
        "path": project.full_path,
        "url": f"{forge.url}/{project.full_path}",
        "default_branch": project.repository.default_branch,
        "branches": project.repository.branches,
        "merge_requests": [
            {
                "iid": request.iid,
                "title": request.title,
                "description": request.description,
                "state": request.state,
                "draft": request.draft,
                "source_branch": request.source_branch,
                "target_branch": request.target_branch,
                "labels": request.labels,
                "author": request.author.username,
                "notes": [note.body for note in request.notes],
            }
            for request in project.merge_requests.values()
        ],
        "pipelines": [
            {
                "id": pipeline.id,
                "sha": pipeline.sha,
                "ref": pipeline.ref,
                "source": pipeline.source,
                "status": pipeline.status,
                "yaml_errors": pipeline.yaml_errors,
                "jobs": {job.name: job.status for job in pipeline.latest_jobs()},
            }
            for pipeline in project.pipelines.values()
        ],
        "commits": [
            {
                "sha": commit.sha,
                "message": commit.message,
                "author": commit.author.name,
                "parents": commit.parents,
                "branches": [name for name, sha in heads if sha == commit.sha],
            }
            for commit in project.repository.commits.values()
        ],
        "hooks": [
            {"id": hook.id, "url": hook.url, "alert_status": hook.alert_status,
             "push_events": hook.push_events, "pipeline_events": hook.pipeline_events}
            for hook in project.hooks.values()
        ],
    }  # fmt: skip
