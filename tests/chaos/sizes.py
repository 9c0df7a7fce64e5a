"""What Redis holds, by what it is held for: per delivery, per run, per project, and the rest.

The first three are kept on purpose, for as long as `workers/store` says, so they grow with what
happens; each costs a known amount. The rest is work under way: it may not grow.
"""

from __future__ import annotations

import re
from collections import Counter

import msgspec
import redis

KINDS = {
    "delivery": r"dob:(deliveries|delivery|seen|heard)\b",
    "run": r"dob:(run|runs|commits|audit)\b",
    "project": r"dob:(project|preflight|hook\w*|gitlab)\b",
}
"""Events about pipelines (`heard`) come by delivery, writes to GitLab (`audit`) by run."""
LIMITS = {"delivery": 1_000, "run": 20_000, "project": 4_000}
"""Bytes of one. With 512 MB that is 20,000 runs of the last 180 days beside 100,000 deliveries."""
REST_LIMIT = 2 << 20
RESIDENT_LIMIT = 3.0
"""What the server takes from the machine, by what it uses of it; the rest is fragmentation."""
SMALL = 16 << 20
"""What it may take in any case."""
BATCH = 500
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}


class Sizes(msgspec.Struct, frozen=True):
    """Bytes by kind, how many there are of each, and all that the server uses."""

    kept: dict[str, int]
    counts: dict[str, int]
    rest: int
    """Keys that are none of these, and what the server needs beside keys."""
    used: int
    resident: int
    """What the process takes from the machine."""
    largest: dict[str, int]
    """Of the rest: bytes by the beginning of the name."""

    def each(self, kind: str) -> float:
        """Bytes of one."""
        return self.kept[kind] / max(1, self.counts[kind])

    def text(self) -> str:
        """For people."""
        each = ", ".join(f"{self.counts[k]} × {self.each(k):,.0f} B a {k}" for k in KINDS)
        mb = [f"{size / 2**20:.1f} MB" for size in (self.used, self.resident, self.rest)]
        return f"{mb[0]} ({mb[1]} resident): {each}; the rest {mb[2]}"


def measure(client: redis.Redis) -> Sizes:
    """Looks at every key (MEMORY USAGE, all elements)."""
    kept, largest = Counter(dict.fromkeys(KINDS, 0)), Counter[str]()
    names = [bytes(name) for name in client.scan_iter("*", count=1000)]
    for start in range(0, len(names), BATCH):
        pipe = client.pipeline(transaction=False)
        for name in names[start : start + BATCH]:
            pipe.memory_usage(name, samples=0)
        for name, size in zip(names[start : start + BATCH], pipe.execute(), strict=True):
            text = name.decode()
            kind = next((k for k, p in _PATTERNS.items() if p.match(text)), "")
            (kept if kind else largest)[kind or ":".join(text.split(":")[:2])] += size or 0
    counts = {
        "delivery": int(client.xlen("dob:deliveries")), "run": int(client.zcard("dob:runs")),
        "project": sum(bool(re.fullmatch(rb"dob:project:\d+", name)) for name in names),
    }  # fmt: skip
    memory = client.info("memory")
    used, resident = int(memory["used_memory"]), int(memory["used_memory_rss"])
    rest = used - sum(kept.values())
    return Sizes(dict(kept), counts, rest, used, resident, dict(largest.most_common(4)))


def violations(early: Sizes, late: Sizes) -> list[str]:
    """What is dearer than it should be, or grows though it is only work under way."""
    found = [
        f"Redis keeps {late.each(kind):,.0f} bytes a {kind}, not {limit:,}"
        for kind, limit in LIMITS.items() if late.each(kind) > limit
    ]  # fmt: skip
    if late.resident > late.used * RESIDENT_LIMIT + SMALL:
        found.append(f"Redis takes {late.resident:,} bytes to keep {late.used:,}")
    if late.rest - early.rest > REST_LIMIT:
        grown = f"{early.rest / 2**20:.1f} to {late.rest / 2**20:.1f} MB"
        found.append(f"what Redis holds for a moment only grows, {grown}: {late.largest}")
    return found
