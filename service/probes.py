"""What machines ask of this process: its health, its figures, its own description."""

from __future__ import annotations

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from service.health import Liveness
from service.state import Request


async def health(request: Request) -> Response:
    """Every dependency; 503 where Redis is gone, since then nothing is taken in."""
    report = await request.state["health"].report()
    return _json(report, 503 if report.status == "down" else 200)


async def live(_: Request) -> Response:
    """The process answers."""
    return _json(Liveness("ok"))


async def ready(request: Request) -> Response:
    """Deliveries can be stored."""
    up = (await request.state["health"].redis_answers()).state == "ok"
    return _json(Liveness("ok" if up else "down"), 200 if up else 503)


async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    body = await request.state["metrics"].text(request.state["stores"])
    return Response(body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def openapi(request: Request) -> Response:
    """This API's own description."""
    return Response(request.state["document"], media_type="application/json")


def _json(value: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
