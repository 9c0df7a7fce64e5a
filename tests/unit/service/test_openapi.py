"""`/openapi.json` against the table of routes: complete, consistent, valid references."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest

from service import dashboard_routes, table
from service.app import create_app
from service.auth import Access
from service.openapi import document, path_of
from service.routes import Endpoint
from tests.support.service import settings_for
from workers.runs import INTERNAL, Project, new_run, public

ROUTES = [*table.routes(), *dashboard_routes.routes()]
DOCUMENT: dict[str, Any] = document(ROUTES)
CONTRACT = {
    ("POST", "/webhooks/gitlab"), ("POST", "/api/v1/pipeline/workflow"),
    ("POST", "/api/v1/projects/{id}/retrigger"), ("POST", "/api/v1/pipeline/analyze"),
    ("POST", "/api/v1/pipeline/generate"), ("POST", "/api/v1/pipeline/validate"),
    ("GET", "/api/v1/runs"), ("GET", "/api/v1/runs/{id}"), ("GET", "/api/v1/runs/{id}/events"),
    ("GET", "/api/v1/projects/{id}"), ("GET", "/api/v1/learned"),
    ("DELETE", "/api/v1/learned/{id}"), ("GET", "/api/v1/deliveries"),
    ("POST", "/api/v1/deliveries/{id}/replay"), ("POST", "/api/v1/chat"), ("GET", "/health"),
    ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics"), ("GET", "/"),
    ("GET", "/openapi.json"),
}  # fmt: skip


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_documented_and_nothing_else() -> None:
    """The application's own table of routes is the document's."""
    app = create_app(settings_for("redis://localhost"))
    served = {(r.method, path_of(r)) for r in app.routes if isinstance(r, Endpoint)}
    assert len(served) == len(app.routes)
    assert served == {(method, path) for method, path, _ in operations()}


def test_every_route_of_the_contract_is_there() -> None:
    """By method and path."""
    assert {(method, path) for method, path, _ in operations()} >= CONTRACT


def test_operations_have_names_of_their_own() -> None:
    """Clients are generated from them."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_security_is_what_guards_the_route(route: Endpoint) -> None:
    """An open route says so; a guarded one names its scheme and its refusal."""
    operation = DOCUMENT["paths"][path_of(route)][route.method.lower()]
    schemes = {name for way in operation["security"] for name in way}
    expected = {
        Access.OPEN: set(), Access.BEARER: {"bearer"}, Access.CALLER: {"bearer"},
        Access.LOCAL: {"bearer"},
        Access.SESSION: {"session", "bearer"} if route.method == "GET" else {"session"},
        Access.HOOK: {"hookSecret", "hookSignature"},
    }  # fmt: skip
    assert schemes == expected[route.operation.access]
    if route.operation.access in (Access.BEARER, Access.CALLER, Access.HOOK):
        assert "401" in operation["responses"] and "503" in operation["responses"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_path_parameters_are_declared(route: Endpoint) -> None:
    """All of the path's, and none beside them."""
    operation = DOCUMENT["paths"][path_of(route)][route.method.lower()]
    declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
    assert declared == set(route.param_convertors)
    assert all(p["required"] for p in operation["parameters"] if p["in"] == "path")


def test_every_error_is_a_problem() -> None:
    """RFC 9457, for each 4xx and 5xx that is no page and no report."""
    for method, path, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            media = set(answer.get("content", {}))
            pages = path == "/login" or operation["security"] == [{"session": []}]
            assert media <= {"application/problem+json", "application/json", "text/html"}
            assert "application/problem+json" in media or path.startswith("/health") or pages, (
                method, path, status,
            )  # fmt: skip


def test_references_lead_somewhere() -> None:
    """And every component is used."""
    text = json.dumps(DOCUMENT)
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named == set(DOCUMENT["components"]["schemas"])


def test_a_run_fits_its_schema() -> None:
    """What the API shows of a run is what it says; what is internal is not named."""
    run = public(new_run(Project(1, "a/b", "http://x/a/b"), "push"))
    schema = {"$ref": "#/components/schemas/Run", "components": DOCUMENT["components"]}
    jsonschema.validate(json.loads(msgspec.json.encode(run)), schema)
    properties = set(DOCUMENT["components"]["schemas"]["Run"]["properties"])
    assert properties == set(run)
    assert not properties & set(INTERNAL)


def test_the_document_is_openapi() -> None:
    """The parts that every reader needs."""
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["title"] == "devops-backend" and DOCUMENT["info"]["version"]
    for _, _, operation in operations():
        assert operation["summary"] and operation["tags"] and operation["responses"]
