"""GitLab's request limit: so many requests a minute for each caller, told in every answer."""

from __future__ import annotations

import math
from email.utils import formatdate

import msgspec

WINDOW_S = 60
UNLIMITED = 7200
"""What the headers tell where no limit is switched on: GitLab's default for a signed-in user."""
Headers = list[tuple[bytes, bytes]]


class Standing(msgspec.Struct, frozen=True):
    """Where a caller stands in the minute that ends at `reset` (Unix seconds)."""

    limit: int
    observed: int
    reset: int

    @property
    def exceeded(self) -> bool:
        return self.observed > self.limit

    def headers(self) -> Headers:
        """`RateLimit-*`, as on all of GitLab's answers."""
        told = {
            "ratelimit-limit": self.limit,
            "ratelimit-name": "throttle_authenticated_api",
            "ratelimit-observed": self.observed,
            "ratelimit-remaining": max(0, self.limit - self.observed),
            "ratelimit-reset": self.reset,
        }
        return [(name.encode(), str(value).encode()) for name, value in told.items()]

    def refusal(self, at: float) -> Headers:
        """What a 429 adds: how long to wait, and until when."""
        wait = max(1, math.ceil(self.reset - at))
        told = {"ratelimit-resettime": formatdate(self.reset, usegmt=True), "retry-after": wait}
        return [(name.encode(), str(value).encode()) for name, value in told.items()]


class Limiter:
    """Counts requests of each caller in the minute that is running."""

    def __init__(self) -> None:
        self.window = 0
        self.counts: dict[str, int] = {}

    def hit(self, caller: str, limit: int, at: float) -> Standing:
        """Counts one request; `limit` 0 counts without an end."""
        window = int(at // WINDOW_S)
        if window != self.window:
            self.window, self.counts = window, {}
        self.counts[caller] = self.counts.get(caller, 0) + 1
        reset = (window + 1) * WINDOW_S
        observed = self.counts[caller]
        return Standing(limit or max(UNLIMITED, observed), observed, reset)
