"""`/openapi.json`, assembled from what the routes declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
from apispec import APISpec

from service.auth import Access
from service.routes import Answer, Endpoint, Operation, Parameter
from workers.runs import INTERNAL, Run

REF = "#/components/schemas/{name}"
PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457). Some have members of their own, such as `run`.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
SECURITY: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [],
    Access.HOOK: [{"hookSecret": []}, {"hookSignature": []}],
    Access.BEARER: [{"bearer": []}],
    Access.CALLER: [{"bearer": []}, {}],
    Access.SESSION: [{"session": []}],
    Access.LOCAL: [{}, {"bearer": []}],
}
SCHEMES: Mapping[str, dict[str, str]] = {
    "bearer": {
        "type": "http", "scheme": "bearer",
        "description": "One of DEVOPS_BACKEND_API_TOKENS, without the role before it.",
    },
    "hookSecret": {
        "type": "apiKey", "in": "header", "name": "X-Gitlab-Token",
        "description": "One of GITLAB_WEBHOOK_SECRET, or a project's own, which its webhook was "
        "given and which counts for that project only.",
    },
    "hookSignature": {
        "type": "apiKey", "in": "header", "name": "webhook-signature",
        "description": "By the Standard Webhooks rules, with one of GITLAB_SIGNING_TOKEN; "
        "goes with webhook-id and webhook-timestamp.",
    },
    "session": {
        "type": "apiKey", "in": "cookie", "name": "devops-backend",
        "description": "A dashboard session; what is no GET also needs the page's CSRF token.",
    },
}  # fmt: skip


def document(routes: Iterable[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes."""
    routes = list(routes)
    spec = APISpec(
        title="devops-backend",
        version=_version(),
        openapi_version="3.1.0",
        info={"description": "Gives new GitLab projects a pipeline that goes green."},
    )
    for name, scheme in SCHEMES.items():
        spec.components.security_scheme(name, dict(scheme))
    spec.components.schema("Problem", dict(PROBLEM))
    schemas, components = _schemas(routes)
    for name, schema in components.items():
        spec.components.schema(name, schema)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(route, schemas)
    for path, operations in paths.items():
        spec.path(path=path, operations=operations)
    return dict(spec.to_dict())


def path_of(route: Endpoint) -> str:
    """The route's path as OpenAPI writes it: without Starlette's convertors."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)


def _operation(route: Endpoint, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _security(route),
        "parameters": [_parameter(parameter, schemas) for parameter in operation.parameters],
        "responses": {
            **{str(s): _answer(answer, schemas) for s, answer in operation.answers.items()},
            **{str(s): _error(s, operation.access) for s in errors_of(operation)},
        },
    }
    if text := _description(route):
        described["description"] = text
    if operation.body is not None:
        content = {operation.body_media: {"schema": schemas[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _security(route: Endpoint) -> list[dict[str, list[str]]]:
    """What guards a route; a page may be read with a bearer token as well."""
    reads = route.operation.access is Access.SESSION and route.method == "GET"
    return SECURITY[route.operation.access] + (SECURITY[Access.BEARER] if reads else [])


def _description(route: Endpoint) -> str:
    asked = route.operation.access in (Access.BEARER, Access.CALLER, Access.SESSION)
    role = f"Needs a token that may {route.role.name.lower()}." if asked else ""
    return f"{route.operation.description} {role}".strip()


def errors_of(operation: Operation) -> list[int]:
    """The declared error statuses, and those that its access brings."""
    brought: dict[Access, tuple[int, ...]] = {
        Access.BEARER: (401, 403, 429, 503),
        Access.CALLER: (401, 429, 503),
        Access.HOOK: (401, 429, 503),
        Access.LOCAL: (401, 403, 429, 503),
        Access.SESSION: (401, 403, 429),
    }
    body = (400, 408, 413) if operation.body is not None else ()
    return sorted({*operation.errors, *brought.get(operation.access, ()), *body})


def _parameter(parameter: Parameter, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.where == "path",
        "schema": schemas[parameter.kind],
    }


def _answer(answer: Answer, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description}
    if answer.body is not None:
        described["content"] = {answer.media: {"schema": schemas[answer.body]}}
    if answer.headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in answer.headers.items()
        }
    return described


def _error(status: int, access: Access) -> dict[str, Any]:
    content: dict[str, Any] = {
        "application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}
    }
    if access is Access.SESSION:
        content["text/html"] = {"schema": {"type": "string"}}
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase, "content": content}
    if status in (429, 503):
        described["headers"] = {
            "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}
        }
    return described


def _schemas(routes: Iterable[Endpoint]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of every declared type, and the components that they refer to."""
    types: dict[Any, None] = {}
    for route in routes:
        operation = route.operation
        kinds = [answer.body for answer in operation.answers.values()]
        kinds += [parameter.kind for parameter in operation.parameters] + [operation.body]
        types.update(dict.fromkeys(kind for kind in kinds if kind is not None))
    found, components = msgspec.json.schema_components(types, ref_template=REF)
    if Run in types:
        _as_shown(components["Run"])
    return dict(zip(types, found, strict=True)), components


def _as_shown(run: dict[str, Any]) -> None:
    """A run without what resuming it needs: `public` leaves that out."""
    for name in INTERNAL:
        run["properties"].pop(name, None)


def _version() -> str:
    try:
        return version("devops-tools-backend")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0"
