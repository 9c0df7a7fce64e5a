"""Guessing is slowed, and so is asking: both are counted in Redis, for a minute.

An address behind which many sit is one address: deliveries with a right secret are therefore
never locked out, only wrong ones get 429 instead of 401.
"""

from __future__ import annotations

import ipaddress
from typing import Literal

import structlog
from redis.exceptions import RedisError

from service.problems import Problem
from service.state import Request
from workers.store.deliveries import key

log = structlog.get_logger(__name__)

WINDOW_S = 60
LIMIT = 50
"""Wrong credentials in a window. A person who mistypes, or a script with yesterday's token, needs
fewer; guessing gets nowhere with more."""

ADDRESS_SHARE = 4
"""How many callers' worth of requests one address may make."""

Door = Literal["hook", "api", "gitlab"]


async def failed(request: Request, door: Door) -> int:
    """Count a wrong credential; seconds to wait where that was one too many, else 0."""
    try:
        count = await _count(request, _name(request, door))
    except RedisError:  # whoever is refused is refused, counted or not
        count = 1
    if count <= LIMIT + 1:  # whoever keeps guessing does not fill the log as well
        silent = count > LIMIT
        log.warning("wrong credentials", door=door, address=address(request), last_told=silent)
    return WINDOW_S if count > LIMIT else 0


async def spend(request: Request, what: str, who: str, limit: int) -> None:
    """Count a request against a minute of `who` (a caller's id) and of the address it comes from,
    where many may sit. Raises Problem 429 with the seconds that are left."""
    limits = {
        key("asked", what, "by", who): limit,
        key("asked", what, "from", address(request)): limit * ADDRESS_SHARE,
    }
    pipe = request.state["redis"].pipeline(transaction=True)
    for name in limits:
        pipe.incr(name)
        pipe.expire(name, WINDOW_S, nx=True)
        pipe.ttl(name)
    answers = await pipe.execute()
    counts, left = answers[0::3], answers[2::3]
    over = [s for n, s, most in zip(counts, left, limits.values(), strict=True) if n > most]
    if over:
        wait = max(1, *map(int, over))
        detail = f"more than {limit} of these requests in a minute; wait {wait} s"
        raise Problem(429, detail, {"Retry-After": str(wait)})


async def _count(request: Request, name: str) -> int:
    """How often in this window, this time included."""
    pipe = request.state["redis"].pipeline(transaction=True)
    pipe.incr(name)
    pipe.expire(name, WINDOW_S, nx=True)
    return int((await pipe.execute())[0])


async def locked(request: Request, door: Door) -> int:
    """Seconds that this address has to wait before it may try again; 0 where it may now."""
    name = _name(request, door)
    pipe = request.state["redis"].pipeline(transaction=False)
    pipe.get(name)
    pipe.ttl(name)
    count, left = await pipe.execute()
    return max(1, int(left)) if int(count or 0) >= LIMIT else 0


def address(request: Request) -> str:
    """The caller's address; of IPv6 the /64 that one subscriber has."""
    host = request.client.host if request.client else "local"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, 64), strict=False).network_address)
    return str(ip)


def is_loopback(request: Request) -> bool:
    """Whether the caller is on this machine, and no proxy spoke for somebody else."""
    if request.headers.get("x-forwarded-for") or request.headers.get("forwarded"):
        return False
    if request.client is None:  # a unix socket
        return True
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _name(request: Request, door: Door) -> str:
    return key("lockout", door, address(request))
