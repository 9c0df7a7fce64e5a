"""The receiver and its API as a real server over a real Redis, and a GitLab that is asked of."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.app import create_app
from service.protocol import Protocol
from tests.support.keys import KEY
from workers.embedded import free_port
from workers.settings import Settings

SECRET = "a-secret-of-the-tests-1"
OLD_SECRET = "a-secret-of-the-tests-0"
SIGNING = "whsec_" + "c2lnbmluZy1rZXktb2YtdGhlLXRlc3RzLTMyLWJ5dGU="
API_TOKEN = "an-api-token-of-the-tests"
CALLER_TOKEN = "glpat-CANARY0123456789abcd"
PAYLOADS = Path(__file__).parents[1] / "samples" / "hooks"


class Server:
    """An ASGI application under uvicorn with our protocol, in a thread."""

    def __init__(self, app: Any, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, http=Protocol, log_config=None,
            access_log=False, timeout_graceful_shutdown=3,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        end = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


class GitLabStub:
    """Answers one route, `GET /api/v4/projects/:path`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        """Raw path, and the Authorization header."""
        self.levels: dict[str, int] = {CALLER_TOKEN: 30}
        self.projects: dict[str, int] = {"shop/api": 42}
        self.fault: int | None = None
        self.headers: dict[str, str] = {}
        self.revision = "4f0c1f2"
        self.app = Starlette(routes=[Route("/{rest:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode()
        authorization = request.headers.get("authorization", "")
        self.asked.append((raw, authorization))
        if self.fault is not None:
            return Response("Retry later", self.fault, self.headers)
        if raw == "/api/v4/version":
            told = {"version": "18.0.0", "revision": self.revision}
            return Response(json.dumps(told), media_type="application/json")
        name = request.scope["path"].removeprefix("/api/v4/projects/")
        by_id = {str(number): path for path, number in self.projects.items()}
        path = by_id.get(name, name)
        level = self.levels.get(authorization.removeprefix("Bearer "))
        if level is None or path not in self.projects:
            status = 401 if level is None else 404
            return Response('{"message":"no"}', status, media_type="application/json")
        body = {
            "id": self.projects[path], "path_with_namespace": path,
            "web_url": f"http://gitlab.example/{path}",
            "permissions": {"project_access": None, "group_access": {"access_level": level}},
        }  # fmt: skip
        return Response(json.dumps(body), media_type="application/json")


class Running(msgspec.Struct):
    """A running service with a client for it."""

    settings: Settings
    url: str
    http: httpx.Client
    gitlab: GitLabStub

    def deliver(self, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
        """Post a delivery with the right secret, unless `headers` say otherwise."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Content-Type": "application/json", "X-Gitlab-Token": SECRET} | names
        return self.http.post("/webhooks/gitlab", content=raw, headers=sent)

    def api(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """A request with the API token."""
        headers = {"Authorization": f"Bearer {API_TOKEN}"} | kwargs.pop("headers", {})
        return self.http.request(method, path, headers=headers, **kwargs)


def settings_for(redis_url: str, **changes: Any) -> Settings:
    """Settings of a service under test; nothing is read from the environment's `.env`."""
    given: dict[str, Any] = {
        "redis_url": redis_url,
        "gitlab_webhook_secret": (SecretStr(SECRET), SecretStr(OLD_SECRET)),
        "gitlab_signing_token": (SecretStr(SIGNING),),
        "devops_backend_api_tokens": (SecretStr(API_TOKEN),),
        "devops_backend_key": KEY,
        "api_requests_per_minute": 100_000,
        "gitlab_token": SecretStr("glpat-of-the-service"),
        "ollama_model": "",
    }
    return Settings.load(_env_file=None, **(given | changes))


@contextlib.contextmanager
def running_service(redis_url: str, **changes: Any) -> Iterator[Running]:
    """The service, its GitLab beside it."""
    gitlab = GitLabStub()
    gitlab.levels["glpat-of-the-service"] = 40
    with Server(gitlab.app) as beside:
        settings = settings_for(redis_url, **({"gitlab_url": beside.url} | changes))
        with (
            Server(create_app(settings)) as server,
            httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
        ):
            yield Running(settings, server.url, http, gitlab)


def payload(name: str) -> dict[str, Any]:
    """One of GitLab's documented sample deliveries."""
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded
