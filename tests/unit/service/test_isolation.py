"""The HTTP process holds no pipeline code, no index and no model client, ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

PROGRAM = """
import asyncio, sys
import service.cli
import httpx
from tests.support.service import settings_for
from service.app import create_app

FORBIDDEN = ("chromadb", "ollama", "onnxruntime", "numpy", "yaml", "jsonschema",
             "workers.steps", "workers.detect", "workers.pipeline",
             "workers.clients", "workers.jobs", "workers.run", "workers.wiring")

def check(when):
    loaded = sorted(m for m in sys.modules for f in FORBIDDEN if m == f or m.startswith(f + "."))
    assert not loaded, f"{when}: {loaded}"

check("after the imports")
app = create_app(settings_for("redis://127.0.0.1:1/0"))
check("after create_app")

async def serve():
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app) as state,
        httpx.AsyncClient(transport=with_state(transport, state), base_url="http://x") as client,
    ):
        secret = {"X-Gitlab-Token": "a-secret-of-the-tests-1"}
        token = {"Authorization": "Bearer an-api-token-of-the-tests"}
        body = {"event_name": "push", "project_id": 7, "ref": "refs/heads/main", "after": "a" * 40}
        told = [
            (await client.post("/webhooks/gitlab", json=body, headers=secret)).status_code,
            (await client.post("/webhooks/gitlab", json={}, headers=secret)).status_code,
            (await client.get("/health")).status_code,
            (await client.get("/metrics")).status_code,
            (await client.get("/openapi.json")).status_code,
            (await client.get("/login")).status_code,
            (await client.get("/api/v1/runs", headers=token)).status_code,
            (await client.post("/api/v1/chat", headers=token, json={})).status_code,
        ]
        assert told == [503, 200, 503, 200, 200, 200, 503, 503], told
    check("after serving")

def with_state(transport, state):
    inner = transport.app
    async def app(scope, receive, send):
        await inner({**scope, "state": dict(state)}, receive, send)
    transport.app = app
    return transport

asyncio.run(serve())
print("clean")
"""


def test_the_http_process_imports_no_pipeline_code() -> None:
    """In a fresh interpreter: after the imports, after `create_app`, after serving requests."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip().endswith("clean"), done.stdout + done.stderr
