"""What `doctor` looks at: every outside thing the program needs, with the fix where it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import msgspec
from redis.exceptions import RedisError

from workers.clients.chroma import Index
from workers.embedded import find_running, find_running_chroma
from workers.errors import BackendError, Denied
from workers.settings import Settings, is_local
from workers.wiring import Parts

DEVELOPER, MAINTAINER = 30, 40


class Check(msgspec.Struct, frozen=True):
    """`state` is `ok`, `failed`, or `degraded` where the program goes on without it."""

    name: str
    state: str
    detail: str
    fix: str = ""


def run(settings: Settings) -> list[Check]:
    """All checks, in the order in which a broken one explains the next."""
    parts = Parts(settings)
    gitlab = _gitlab(parts)
    if gitlab.state == "ok":
        user = _line(_token, parts)
        refused = Check("hooks", "failed", "not asked: the token does not work")
        asked = [user, _line(_hooks, parts) if user.state == "ok" else refused]
    else:
        unasked = "not asked: GitLab is not reachable"
        asked = [Check(name, "failed", unasked) for name in ("token", "hooks")]
    rest: tuple[Callable[[Parts], Check], ...] = (_redis, _chroma, _ollama, _registry)
    return [gitlab, *asked, _receiver(settings), *(_line(check, parts) for check in rest)]


def _line(check: Callable[[Parts], Check], parts: Parts) -> Check:
    """A check's line, also where it cannot even be asked: the others get theirs all the same."""
    try:
        return check(parts)
    except (BackendError, RedisError, httpx.InvalidURL, OSError, ValueError) as error:
        name = check.__name__.strip("_")
        return Check(name, "failed", f"{type(error).__name__}: {error}", "see the reason")


def _gitlab(parts: Parts) -> Check:
    url = parts.settings.gitlab_url
    try:
        # As the client goes there: through no proxy of the environment.
        with httpx.Client(verify=httpx.create_ssl_context(), trust_env=False) as client:
            answer = client.get(f"{url}/api/v4/version", timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check("gitlab", "failed", *_unreachable(url, str(error) or type(error).__name__))
    except OSError as error:  # httpx reads the file before it calls
        fix = (
            "SSL_CERT_FILE and SSL_CERT_DIR should name certificates that can be read, or be unset"
        )
        return Check("gitlab", "failed", f"{url} was not asked: {error}", fix)
    if answer.status_code in (200, 401):
        return Check("gitlab", "ok", url)
    fix = "GITLAB_URL should be the address itself, not one that redirects to it"
    if answer.status_code == 404:
        path = urlsplit(url).path
        fix = f"GITLAB_URL should be GitLab's own address; {url}/api/v4 is not there"
        fix += f": is its path {path} right?" if path else ": does GitLab live under a path?"
    said = f"{url} answers {answer.status_code}, which is no GitLab's answer"
    return Check("gitlab", "failed", said, fix)


def _unreachable(url: str, why: str) -> tuple[str, str]:
    """What is wrong with the way to GitLab, and the fix."""
    if "WRONG_VERSION_NUMBER" in why:
        return (
            f"{url}: https is spoken to a port that speaks http",
            "GITLAB_URL should begin with http://, or name the port that speaks https",
        )
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return (
            f"{url}: its certificate is not trusted ({why})",
            "SSL_CERT_FILE should name a file with the certificate of your private authority",
        )
    return f"{url}: {why}", "GITLAB_URL should be its address"


def _token(parts: Parts) -> Check:
    fix = "GITLAB_TOKEN should be an access token with scope api (User settings → Access tokens)"
    try:
        user = parts.gitlab.me()
        version = parts.gitlab.version()
    except BackendError as error:
        return Check("token", "failed", str(error), fix)
    return Check("token", "ok", f"user {user.username}, GitLab {version}")


def _receiver(settings: Settings) -> Check:
    """Whether GitLab and its runners can know the address that webhooks and pipelines carry."""
    url = settings.devops_backend_url
    fix = "DEVOPS_BACKEND_URL should be the address that GitLab and its runners reach this at"
    if settings.gitlab_is_local:
        return Check("receiver", "ok", url)
    if not settings.receivers_url_known:
        said = f"its address is not known here; {url} is only the default"
        return Check("receiver", "degraded", said, f"{fix}; `up` and `serve` keep it in their data")
    if is_local(urlsplit(url).hostname):
        said = f"{url} means GitLab's own machine there, and a job's container in a pipeline"
        return Check("receiver", "degraded", said, fix)
    return Check("receiver", "ok", url)


def _hooks(parts: Parts) -> Check:
    url = f"{parts.settings.devops_backend_url}/webhooks/gitlab"
    fix = "devops-backend hooks install (administrator), or --project for one project"
    try:
        mine = [hook for hook in parts.gitlab.system_hooks() if hook.url.rstrip("/") == url]
    except Denied:
        return Check(
            "hooks", "degraded", "the token may not see system hooks (no administrator)",
            "fine where group or project webhooks bring the events; they are installed per project",
        )  # fmt: skip
    except BackendError as error:
        return Check("hooks", "failed", str(error), fix)
    if not mine:
        return Check("hooks", "failed", f"no system hook leads to {url}", fix)
    return _reachable(url)


def _reachable(url: str) -> Check:
    """Whether the address answers from here; GitLab's own way there may differ."""
    try:
        live = httpx.get(url.removesuffix("/webhooks/gitlab") + "/health/live", timeout=5)
    except httpx.HTTPError as error:
        return Check(
            "hooks", "degraded", f"installed, but {url} does not answer from here: {error}",
            "start it: devops-backend up; DEVOPS_BACKEND_URL should be the address GitLab reaches",
        )  # fmt: skip
    return Check("hooks", "ok", f"system hook → {url} ({live.status_code})")


def _redis(parts: Parts) -> Check:
    settings = parts.settings
    url = settings.redis_url or find_running(settings.devops_backend_data)
    if url is None:
        return Check("redis", "ok", "embedded: `up` starts its own")
    try:
        took = _timed(Parts(settings.model_copy(update={"redis_url": url})).redis.ping)
    except RedisError as error:
        return Check("redis", "failed", str(error), "REDIS_URL should name a running server")
    return Check("redis", "ok", f"answers in {took:.1f} ms")


def _chroma(parts: Parts) -> Check:
    url = parts.settings.chroma_url or find_running_chroma(parts.settings.devops_backend_data)
    index = Index(url, timeout=5) if url else None
    if index is None:
        return Check("chroma", "ok", "embedded: `up` starts its own")
    state = index.state()
    if state.ok:
        return Check("chroma", "ok", f"answers in {state.seconds * 1000:.0f} ms")
    return Check(
        "chroma", "degraded", state.detail, "templates and Redis are used until CHROMA_URL answers"
    )


def _ollama(parts: Parts) -> Check:
    settings = parts.settings
    if parts.model is None:
        return Check("ollama", "ok", "OLLAMA_MODEL is empty: no model is ever asked")
    state = parts.model.state()
    if state.ok:
        return Check("ollama", "ok", f"{settings.ollama_model} on {settings.ollama_host}")
    return Check(
        "ollama", "degraded", state.detail,
        f"references are used as they are; to use a model: ollama pull {settings.ollama_model}",
    )  # fmt: skip


def _registry(parts: Parts) -> Check:
    registry = parts.settings.image_registry
    if registry.startswith("$"):
        return Check("registry", "ok", f"{registry}: GitLab's own, known to its runners")
    host = registry.partition("/")[0]
    for scheme in _schemes(host):
        try:
            answer = httpx.get(f"{scheme}://{host}/v2/", timeout=5)
        except httpx.HTTPError:
            continue
        if answer.status_code in (200, 401):
            return Check("registry", "ok", f"{host} ({scheme}, {answer.status_code})")
    return Check(
        "registry", "degraded", f"{host} does not answer as a registry from here",
        "IMAGE_REGISTRY should be host[:port]/path that the runners reach",
    )  # fmt: skip


def _schemes(host: str) -> Iterator[str]:
    local = is_local(urlsplit(f"//{host}").hostname)
    yield from ("http", "https") if local else ("https", "http")


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
