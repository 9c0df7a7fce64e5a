"""What a delivery costs: `python -m tests.bench.receiver [--deliveries N] [--rate R] [--json]`.

Starts a Valkey and the receiver as processes of their own, then sends N deliveries of GitLab's
shape at once over 1, 16 and 64 connections, and again at R a second. Prints answers, rate, CPU of
the receiver's process per delivery, and latency. Exits 1 where anything but 202 was answered, or
where at R a second the 99th percentile is above 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from tests.support.service import SECRET, payload
from workers.embedded import EmbeddedRedis, free_port

SERVE = """
import sys, uvicorn
from service.app import create_app
from service.protocol import Protocol
from tests.support.service import settings_for
uvicorn.run(create_app(settings_for(sys.argv[1])), port=int(sys.argv[2]), http=Protocol,
            log_config=None, access_log=False, server_header=False)
"""
P99_MS = 50.0


class Figures(msgspec.Struct, frozen=True):
    """Of one round. Latencies in ms, CPU in microseconds of the receiver's process."""

    name: str
    deliveries: int
    answers: dict[str, int]
    per_second: float
    cpu_us: float
    p50: float
    p99: float
    longest: float


@contextmanager
def receiver(redis_url: str) -> Iterator[tuple[int, int]]:
    """The receiver as a process; its port and process id."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVE, redis_url, str(port)])
    try:
        end = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False)
                break
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def request(number: int) -> bytes:
    """One push, told of by a system hook, to one of 500 projects."""
    push = payload("system_hook_push")
    push |= {"project_id": number % 500 + 1, "after": f"{number:040x}"}
    body = msgspec.json.encode(push)
    head = (
        "POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"User-Agent: GitLab/18.0\r\nX-Gitlab-Token: {SECRET}\r\nX-Gitlab-Event: System Hook\r\n"
        f"Idempotency-Key: key-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender:
    """Connections that send and measure."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.latencies: list[float] = []
        self.answers: Counter[str] = Counter()

    async def send(self, numbers: Iterable[int], began: float = 0, every_s: float = 0) -> None:
        """One after the other on one connection; with `every_s`, at that pace from `began`."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for place, number in enumerate(numbers):
            raw = request(number)
            if every_s:
                await asyncio.sleep(max(0, began + place * every_s - time.perf_counter()))
            at = time.perf_counter()
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            self.latencies.append((time.perf_counter() - at) * 1000)
            self.answers[head[9:12].decode()] += 1
        writer.close()


def round_of(
    name: str, port: int, pid: int, numbers: range, connections: int, rate: float = 0
) -> Figures:
    """Send these deliveries over so many connections, at once or at `rate` a second."""
    sender = Sender(port)
    cpu, began = cpu_s(pid), time.perf_counter()

    async def go() -> None:
        every = connections / rate if rate else 0
        await asyncio.gather(
            *(
                sender.send(numbers[lane::connections], began + lane / rate if rate else 0, every)
                for lane in range(connections)
            )
        )

    asyncio.run(go())
    took, used = time.perf_counter() - began, cpu_s(pid) - cpu
    times, count = sorted(sender.latencies), len(numbers)
    return Figures(
        name, count, dict(sender.answers), count / took, used / count * 1e6, times[count // 2],
        times[int(count * 0.99)], times[-1],
    )  # fmt: skip


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description="What a delivery costs the receiver.")
    parser.add_argument("--deliveries", type=int, default=5000, help="in each round at once")
    parser.add_argument("--rate", type=float, default=100, help="a second, in the paced round")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found, first = [], 1
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder)) as store,
        receiver(store.url) as (port, pid),
    ):
        paced = int(asked.rate * 20)
        for name, count, connections, rate in (
            ("1 connection", asked.deliveries, 1, 0.0),
            ("16 connections", asked.deliveries, 16, 0.0),
            ("64 connections", asked.deliveries, 64, 0.0),
            (f"{asked.rate:g} a second", paced, 8, asked.rate),
        ):  # fmt: skip
            found.append(round_of(name, port, pid, range(first, first + count), connections, rate))
            first += count
    if asked.json:
        print(msgspec.json.encode(found).decode())
    else:
        for figures in found:
            print(
                f"{figures.name:>15}: {figures.per_second:7.0f}/s  CPU {figures.cpu_us:4.0f} us  "
                f"p50 {figures.p50:6.2f}  p99 {figures.p99:6.2f}  max {figures.longest:6.1f} ms  "
                f"{figures.answers}"
            )
    good = all(set(figures.answers) == {"202"} for figures in found) and found[-1].p99 <= P99_MS
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
