"""`/health`: each dependency with its state and how long it took to answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import httpx
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from workers.settings import Settings
from workers.store.budget import Budget, BudgetState

CHECK_S = 2.0
KEPT_S = 0.5
"""For so long an answer is given again: whoever asks often does not make us ask often."""
LOOK_S = 30.0
SANDBOX = "sandbox"
"""What the bundled GitLab gives for its revision at `/api/v4/version`."""


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One dependency. `down` says why in `detail`, never with what the other side wrote."""

    state: Literal["ok", "down", "unconfigured"]
    latency_ms: float | None = None
    detail: str | None = None


class Report(msgspec.Struct, frozen=True):
    """`degraded`: something but Redis is down and work goes on, or the budget of commits is
    tripped and waits for a person. `down`: Redis is."""

    status: Literal["ok", "degraded", "down"]
    dependencies: dict[str, Check]
    budget: BudgetState | None = None
    """Of commits to all projects; None where Redis does not answer."""


class Liveness(msgspec.Struct, frozen=True):
    """The process answers, or can take deliveries."""

    status: Literal["ok", "down"]


class Health:
    """Asks the dependencies, all at once."""

    def __init__(
        self, settings: Settings, redis: Redis, http: httpx.AsyncClient, budget: Budget
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._http = http
        self._budget = budget
        self._lock = asyncio.Lock()
        self._kept: tuple[float, Report] | None = None
        self._simulated: bool | None = None
        self._looked = -math.inf

    async def report(self) -> Report:
        """The state of everything, at most half a second old."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_S:
                self._kept = time.monotonic(), await self._ask()
            return self._kept[1]

    async def simulated(self) -> bool:
        """Whether GitLab is the bundled sandbox, whose CI jobs are not run. It is asked until it
        has said what it is, and a page waits for that once in LOOK_S at most."""
        if self._simulated is None and time.monotonic() - self._looked > LOOK_S:
            self._looked = time.monotonic()
            await _timed(self._gitlab)
        return bool(self._simulated)

    async def redis_answers(self) -> Check:
        """Whether Redis answers."""
        return await _timed(self._ping)

    async def _ask(self) -> Report:
        checks = {
            "redis": self._ping, "chroma": self._chroma,
            "ollama": self._ollama, "gitlab": self._gitlab,
        }  # fmt: skip
        answers = await asyncio.gather(*(_timed(check) for check in checks.values()))
        found = dict(zip(checks, answers, strict=True))
        down = [name for name, check in found.items() if check.state == "down"]
        budget = None if "redis" in down else await self._spent()
        tripped = budget is not None and budget.state == "tripped"
        if "redis" in down:
            return Report("down", found)
        return Report("degraded" if down or tripped else "ok", found, budget)

    async def _spent(self) -> BudgetState | None:
        try:
            return await run_in_threadpool(self._budget.state)
        except RedisError:
            return None

    async def _ping(self) -> str | None:
        await self._redis.ping()
        return "ok"

    async def _chroma(self) -> str | None:
        url = self._settings.chroma_url
        if url is None:
            return None
        await self._get(f"{url}/api/v2/heartbeat")
        return "ok"

    async def _ollama(self) -> str | None:
        model = self._settings.ollama_model
        if not model:
            return None
        answer = await self._get(f"{self._settings.ollama_host}/api/tags")
        tags = msgspec.json.decode(answer.content, type=_Tags)
        names = {name for tag in tags.models for name in (tag.name, tag.name.partition(":")[0])}
        return "ok" if model in names else f"the model {model} is not there: ollama pull {model}"

    async def _gitlab(self) -> str | None:
        token = self._settings.gitlab_token
        if token is None:
            return None
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        url = f"{self._settings.gitlab_url}/api/v4/version"
        answer = await self._http.get(url, headers=headers)
        # A page instead of JSON comes from something else: a proxy, or a path that is missing.
        known = answer.status_code == 404 and "json" in answer.headers.get("content-type", "")
        if not known:
            _check(answer)
            self._simulated = _is_sandbox(answer.content)
        return "ok"

    async def _get(self, url: str) -> httpx.Response:
        answer = await self._http.get(url)
        _check(answer)
        return answer


def _check(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise _Unwell(f"it answered {answer.status_code}")


class _Version(msgspec.Struct):
    revision: str = ""


def _is_sandbox(answer: bytes) -> bool:
    try:
        return msgspec.json.decode(answer, type=_Version).revision == SANDBOX
    except msgspec.MsgspecError:
        return False


class _Tag(msgspec.Struct):
    name: str = ""


class _Tags(msgspec.Struct):
    models: list[_Tag] = []


class _Unwell(Exception):
    pass


async def _timed(check: Callable[[], Awaitable[str | None]]) -> Check:
    """`check` gives "ok", what is wrong, or None where there is nothing to check."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(CHECK_S):
            said = await check()
    except _Unwell as error:
        return Check("down", _since(began), str(error))
    except TimeoutError:
        return Check("down", _since(began), "it did not answer in time")
    except (RedisError, httpx.HTTPError, httpx.InvalidURL, OSError, msgspec.MsgspecError) as error:
        return Check("down", _since(began), type(error).__name__)
    if said is None:
        return Check("unconfigured")
    return Check("ok" if said == "ok" else "down", _since(began), None if said == "ok" else said)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
