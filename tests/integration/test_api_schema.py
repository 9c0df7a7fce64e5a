"""The whole API by its own document: requests made from /openapi.json, answers held against it.

A few examples of each route in the usual run; SCHEMA_EXAMPLES=200 makes the long one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service import table
from service.routes import Endpoint
from tests.support.service import API_TOKEN, SECRET, Running, running_service
from workers.embedded import EmbeddedRedis

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
HEADERS = {"Authorization": f"Bearer {API_TOKEN}", "X-Gitlab-Token": SECRET}
AWAY = 503
"""The one 5xx that is no fault of ours: here no model and no worker are there."""
WAITING = ("/pipeline/analyze", "/pipeline/generate", "/pipeline/validate", "/events")
"""What waits for a worker's answer, or streams: tested with workers elsewhere."""
ROUTES = [route for route in table.routes() if not route.path.endswith(WAITING)]


@pytest.fixture(scope="module")
def service(redis_server: EmbeddedRedis) -> Iterator[Running]:
    """One service for all routes, its GitLab beside it."""
    with running_service(redis_server.url) as running:
        yield running


def test_nearly_every_route_is_tried() -> None:
    """Four wait or stream; all others are asked below."""
    assert len(table.routes()) - len(ROUTES) == 4 and len(ROUTES) >= 20


@pytest.mark.timeout(600)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_answers_fit_the_document(
    route: Endpoint, service: Running, redis_client: redis.Redis
) -> None:
    """No 5xx, and no status, media type or body that the document does not name."""
    document = schemathesis.openapi.from_dict(service.http.get("/openapi.json").json())
    operation = document[route.path.replace(":path", "")][route.method.lower()]
    seen: list[int] = []

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate], derandomize=True,
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case[Any]) -> None:
        # Refusals of earlier examples are no reason to refuse this one.
        for kind in ("lockout", "asked"):
            for counted in redis_client.scan_iter(f"dob:{kind}:*"):
                redis_client.delete(counted)
        answer = case.call(base_url=service.url, headers=HEADERS, timeout=30)
        assert answer.status_code < 500 or answer.status_code == AWAY, answer.text
        case.validate_response(answer, checks=CHECKS)
        seen.append(answer.status_code)

    ask()
    assert seen
