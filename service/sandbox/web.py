"""What a browser sees of the sandbox: projects, merge requests, pipelines, jobs, commits, files.

The addresses are GitLab's, so that every link of the service leads somewhere. Whoever reaches the
sandbox may read: it holds samples, on loopback. Nothing can be changed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from service.sandbox.core import Sandbox
from service.sandbox.forge import Forge
from service.sandbox.refusal import Refusal, not_found
from service.sandbox.repository import Blob, Commit
from service.sandbox.state import Pipeline, Project
from service.sandbox.walk import trace

PAGES: Final = Path(__file__).parent / "pages"
STYLE: Final = "/-/style.css"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LONGEST: Final = 200_000
"""Characters of a file or a log on a page."""

View = Callable[[Project, str], dict[str, Any]]


def routes() -> list[Route]:
    """Of all pages. They come last: what they do not know is 404."""
    return [Route(STYLE, style), Route("/{path:path}", page)]


async def style(_: Request) -> Response:
    """The style sheet."""
    return FileResponse(PAGES / "style.css", media_type="text/css", headers=HEADERS)


async def page(request: Request) -> Response:
    """A page by its address; unknown ones and those of what does not exist are pages with 404."""
    sandbox: Sandbox = request.state.sandbox
    forge, path = sandbox.forge, request.path_params["path"].strip("/")
    try:
        return _render(200, *_found(forge, path))
    except Refusal as refusal:
        if refusal.status == 301:
            moved = forge.projects[forge.moved[path.partition("/-/")[0].lower()]]
            return RedirectResponse(f"/{moved.full_path}", 302, HEADERS)
        return _render(404, "missing", {"path": path})


def _found(forge: Forge, path: str) -> tuple[str, dict[str, Any]]:
    if not path:
        return "projects", {"projects": list(forge.all())}
    name, _, inner = path.partition("/-/")
    project = forge.find_project(name)
    kind, _, rest = inner.partition("/")
    view = VIEWS.get(kind)
    if view is None:
        raise not_found()
    return kind or "project", {"project": project, **view(project, rest)}


def _render(status: int, name: str, values: dict[str, Any]) -> HTMLResponse:
    template = _templates().get_template(f"{name}.html")
    return HTMLResponse(template.render(style=STYLE, **values), status, HEADERS)


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    # HTML in the text is shown as text; links that run something are left out by the library.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    found.filters["markdown"] = reader.render
    return found


def _project(project: Project, rest: str) -> dict[str, Any]:
    head = project.repository.resolve(None)
    readme = _text(head.files["README.md"]) if head and "README.md" in head.files else ""
    return {"commit": head, "ref": project.repository.default_branch, "readme": readme}


def _tree(project: Project, rest: str) -> dict[str, Any]:
    commit, ref, _ = _at(project, rest)
    return {"commit": commit, "ref": ref}


def _blob(project: Project, rest: str) -> dict[str, Any]:
    commit, ref, path = _at(project, rest)
    blob = commit.files.get(path)
    if blob is None:
        raise not_found("File")
    return {"ref": ref, "path": path, "text": _text(blob)}


def _commit(project: Project, rest: str) -> dict[str, Any]:
    commit = project.repository.commits.get(rest) or project.repository.resolve(rest)
    if commit is None:
        raise not_found("Commit")
    added, changed, removed = project.repository.difference(commit)
    shown = {path: _text(commit.files[path]) for path in sorted([*added, *changed])}
    ran = [p for p in project.pipelines.values() if p.sha == commit.sha]
    return {"commit": commit, "files": shown, "removed": removed, "pipelines": ran}


def _merge_requests(project: Project, rest: str) -> dict[str, Any]:
    if not rest:
        return {"request": None}
    request = project.merge_requests.get(_number(rest))
    if request is None:
        raise not_found()
    source = project.repository.resolve(f"refs/heads/{request.source_branch}")
    target = project.repository.resolve(f"refs/heads/{request.target_branch}")
    old = target.files if target else {}
    new = source.files if source else {}
    shown = {path: _text(blob) for path, blob in sorted(new.items()) if old.get(path) != blob}
    ran = [p for p in project.pipelines.values() if p.branch == request.source_branch]
    return {"request": request, "files": shown, "head": source, "pipelines": ran}


def _pipelines(project: Project, rest: str) -> dict[str, Any]:
    if not rest:
        return {"pipeline": None}
    pipeline = project.pipelines.get(_number(rest))
    if pipeline is None:
        raise not_found()
    return {"pipeline": pipeline, "stages": _stages(pipeline)}


def _jobs(project: Project, rest: str) -> dict[str, Any]:
    number = _number(rest)
    for pipeline in project.pipelines.values():
        for job in pipeline.jobs:
            if job.id == number:
                return {"job": job, "pipeline": pipeline, "log": trace(job)[:LONGEST]}
    raise not_found("Job")


VIEWS: Final[dict[str, View]] = {
    "": _project, "tree": _tree, "blob": _blob, "commit": _commit,
    "merge_requests": _merge_requests, "pipelines": _pipelines, "jobs": _jobs,
}  # fmt: skip


def _stages(pipeline: Pipeline) -> dict[str, list[Any]]:
    latest = pipeline.latest_jobs()
    return {stage: [job for job in latest if job.stage == stage] for stage in pipeline.stages}


def _number(text: str) -> int:
    match = re.match(r"(\d{1,9})(?:/|\Z)", text, re.ASCII)
    if match is None:
        raise not_found()
    return int(match.group(1))


def _at(project: Project, rest: str) -> tuple[Commit, str, str]:
    """The commit, ref and path in `ref/path`. Names may hold slashes: the longest ref wins."""
    parts = rest.split("/")
    for length in range(len(parts), 0, -1):
        ref = "/".join(parts[:length])
        commit = project.repository.resolve(ref)
        if ref and commit is not None:
            return commit, ref, "/".join(parts[length:])
    raise not_found("Ref")


def _text(blob: Blob) -> str:
    """A file's text, for a page."""
    text = blob.content[: 4 * LONGEST].decode("utf-8", "replace")
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n[the rest is left out here]"
