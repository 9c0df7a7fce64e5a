"""Processes as Linux shows them in /proc (proc(5)): who is whose child, and since when."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Process(msgspec.Struct, frozen=True):
    """A process; `started` tells it from a later one with the same id."""

    pid: int
    parent: int
    started: int
    command: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        now = look(self.pid)
        return now is not None and now.started == self.started


def look(pid: int) -> Process | None:
    """The process, or None where there is none or only its remains (a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything: fields are counted from the last one.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    text = command.replace(b"\0", b" ").decode(errors="replace")
    return Process(pid, int(fields[1]), int(fields[19]), text)


def everyone() -> list[Process]:
    """All processes of this machine that can be seen."""
    found = (look(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [process for process in found if process is not None]


def children(pid: int) -> list[Process]:
    """Its direct children."""
    return [process for process in everyone() if process.parent == pid]


def family(pid: int) -> list[Process]:
    """All its descendants."""
    seen, wanted = everyone(), {pid}
    found: list[Process] = []
    while more := [p for p in seen if p.parent in wanted]:
        found += more
        wanted = {p.pid for p in more}
    return found
