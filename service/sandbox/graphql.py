"""`POST /api/graphql`: the part of GitLab's schema that a reader of repositories needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.sandbox import graphql_nodes
from service.sandbox.api import authenticate
from service.sandbox.core import Sandbox
from service.sandbox.graphql_query import BadQuery, Field, parse
from service.sandbox.refusal import Refusal
from service.sandbox.state import Token

LONGEST_QUERY = 10_000


async def graphql(request: Request) -> Response:
    """Always 200 for a query that could be read, with `errors` where GitLab has them."""
    sandbox: Sandbox = request.state.sandbox
    try:
        token = authenticate(sandbox, request.headers)
    except Refusal:
        return JSONResponse({"errors": [{"message": "Invalid token"}]}, 401)
    if not sandbox.forge.switches.graphql:
        return JSONResponse({"message": "404 Not Found"}, 404)
    try:
        asked = msgspec.json.decode(await request.body())
        query, variables = str(asked["query"]), asked.get("variables") or {}
        return JSONResponse({"data": run(sandbox, token, query, variables)})
    except BadQuery as bad:
        return JSONResponse({"errors": [{"message": str(bad)}]})
    except (msgspec.DecodeError, TypeError, KeyError) as bad:
        return JSONResponse({"errors": [{"message": f"Unexpected end of document: {bad}"}]}, 422)


def run(
    sandbox: Sandbox, token: Token | None, query: str, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The query's data. Raises `BadQuery`, also where GitLab's limits forbid the query."""
    if len(query) > LONGEST_QUERY:
        raise BadQuery("Query too large")
    kind, fields = parse(query, variables)
    if kind != "query":
        raise BadQuery("The sandbox answers queries only")
    _check_complexity(sandbox, fields)
    root = graphql_nodes.root(sandbox, token.user if token else None)
    return _select(root, fields, "Query")


def _check_complexity(sandbox: Sandbox, fields: Sequence[Field]) -> None:
    """GitLab's score of a query over `blobs`: 15 and 2 a path, at most 250.

    Versions 18.4.2 to 18.5 counted 346 as soon as two contents were asked for.
    """
    for field in fields:
        paths = field.arguments.get("paths")
        if field.name == "blobs" and isinstance(paths, list):
            score = 15 + 2 * len(paths)
            contents = any(inner.name.startswith("raw") for inner in _all(field))
            if sandbox.forge.switches.graphql_single_blob and contents and len(paths) > 1:
                score = 346
            if score > 250:
                raise BadQuery(
                    f"Query has complexity of {score}, which exceeds max complexity of 250"
                )
        _check_complexity(sandbox, field.fields)


def _all(field: Field) -> list[Field]:
    return [field, *(inner for child in field.fields for inner in _all(child))]


def _select(node: Mapping[str, Any], fields: Sequence[Field], type_name: str) -> dict[str, Any]:
    """Takes the asked fields out of a node, whose values may be functions of the arguments."""
    answer: dict[str, Any] = {}
    for field in fields:
        if field.name == "__typename":
            answer[field.key] = type_name
            continue
        if field.name not in node:
            raise BadQuery(f"Field '{field.name}' doesn't exist on type '{type_name}'")
        value = node[field.name]
        if callable(value):
            value = value(field.arguments)
        shaped = _shape(value, field)
        old = answer.get(field.key)
        both = isinstance(old, dict) and isinstance(shaped, dict)
        answer[field.key] = {**old, **shaped} if both else shaped  # type: ignore[dict-item]
    return answer


def _shape(value: Any, field: Field) -> Any:
    if isinstance(value, list):
        return [_shape(item, field) for item in value]
    if isinstance(value, Mapping):
        if not field.fields:
            raise BadQuery(f"Field must have selections (field '{field.name}' returns an object)")
        return _select(value, field.fields, field.name.capitalize())
    if field.fields and value is not None:
        raise BadQuery(f"Selections can't be made on scalars (field '{field.name}')")
    return value
