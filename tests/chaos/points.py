"""Named crash points: SIGKILL of a real process at an exact place in its way, five times each.

The program has no hooks for this. The rig puts the folder `sitecustomize` on the path of the
processes: Python runs its module at the start, before any of ours, and that wraps what is named
here. `CHAOS_POINTS` is a folder: `armed` names the point in force; each kill leaves a file there.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLS = 5
VARIABLE, CLOCK = "CHAOS_POINTS", "CHAOS_CLOCK"
POINTS: dict[str, tuple[str, str, str, str]] = {
    # name: (process, module, what is wrapped, when: before it, after it, or where it found any)
    "recv_after_body": ("serve", "service.webhooks", "parse", "after"),
    "recv_before_script": ("serve", "service.inbox", "Inbox.send", "before"),
    "recv_after_script_before_answer": ("serve", "service.webhooks", "receipt", "after"),
    "tick_after_claim": ("tick", "workers.store.ledger", "Ledger.claim", "found"),
    "tick_after_wake": ("tick", "workers.store.ledger", "Ledger.wake", "found"),
    "w_after_dequeue": ("generate", "workers.worker", "BoundWorker.fork_work_horse", "before"),
    "w_after_lease": ("generate", "workers.store.ledger", "Ledger.take", "found"),
    "w_after_read": ("generate", "workers.run", "analyze", "after"),
    "w_after_choice": ("generate", "workers.run", "generate", "after"),
    "w_after_lint": ("generate", "workers.run", "validate", "after"),
    "w_after_intent": ("generate", "workers.run", "_Carrier.intend", "after"),
    "w_after_commit": (
        "generate", "workers.clients.gitlab_repository", "Repository.commit", "after",
    ),
    "w_after_merge_request": (
        "generate", "workers.clients.gitlab_merge_requests", "MergeRequests.create_merge_request",
        "after",
    ),
    "w_before_state": ("generate", "workers.store.runs", "RunStore.remember_commit", "after"),
    "w_before_done": ("generate", "workers.store.ledger", "Ledger.done", "before"),
    "r_after_verdict": ("record", "workers.conclude", "verdict", "after"),
    "r_after_learned_before_index": (
        "record", "workers.store.learned", "LearnedStore.record_outcome", "after",
    ),
    "r_after_index": ("record", "workers.conclude", "learn", "after"),
    "r_after_poll": ("record", "workers.clients.gitlab_pipelines", "Pipelines.pipelines", "after"),
    "r_before_end": ("record", "workers.conclude", "end", "before"),
    "r_before_done": ("record", "workers.store.ledger", "Ledger.done", "before"),
}  # fmt: skip


def _wrong_clock(file: Path) -> None:
    """`time.time` and `time.time_ns` are off by the seconds that stand in a file."""
    right, right_ns = time.time, time.time_ns

    def off() -> int:
        try:
            return int(file.read_text() or 0)
        except FileNotFoundError:
            return 0

    setattr(time, "time", lambda: right() + off())  # noqa: B010
    setattr(time, "time_ns", lambda: right_ns() + off() * 10**9)  # noqa: B010


def install() -> None:
    """In a process of the program: wrap the points of its kind."""
    if CLOCK in os.environ:
        _wrong_clock(Path(os.environ[CLOCK]))
    kind = next((a for a in reversed(sys.orig_argv) if a in ("serve", "tick", *_QUEUES)), "")
    if VARIABLE not in os.environ or "service.cli" not in sys.orig_argv:
        return
    for name, (process, module, what, when) in POINTS.items():
        if process == kind:
            _wrap(name, importlib.import_module(module), what, when)


_QUEUES = ("generate", "record")


def _wrap(name: str, module: Any, what: str, when: str) -> None:
    owner, _, attribute = what.rpartition(".")
    holder = getattr(module, owner) if owner else module
    inner = getattr(holder, attribute)

    @functools.wraps(inner)
    def around(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die(name)
        answer = inner(*args, **kwargs)
        if when == "after" or (when == "found" and answer):
            die(name)
        return answer

    setattr(holder, attribute, around)


def die(name: str) -> None:
    """SIGKILL for this process, where the point is armed and has kills left."""
    folder = Path(os.environ[VARIABLE])
    try:
        if (folder / "armed").read_text() != name:
            return
    except FileNotFoundError:
        return
    for number in range(KILLS):
        try:
            with (folder / f"{name}.{number}").open("x") as file:
                file.write(str(time.time()))
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """From outside: arm a point, and see when it struck."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """What the program's processes are to be given."""
        here = Path(__file__).parent
        path = os.pathsep.join([str(here / "sitecustomize"), str(here.parents[1])])
        return {VARIABLE: str(self.folder), "PYTHONPATH": path}

    def arm(self, name: str) -> None:
        """Put a point in force, and no other; "" puts none."""
        fresh = self.folder / "armed.new"
        fresh.write_text(name)
        fresh.replace(self.folder / "armed")

    def struck(self, name: str) -> list[float]:
        """Unix times of its kills."""
        files = sorted(self.folder.glob(f"{name}.*"))
        return [float(file.read_text() or 0) for file in files]

    def until(self, over: Callable[[], bool], seconds: float) -> bool:
        """Whether it became so in time."""
        deadline = time.monotonic() + seconds
        while not over():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True
