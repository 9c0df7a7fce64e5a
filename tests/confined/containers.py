"""A container as `compose.yaml` orders it, of namespaces, mounts and setpriv(1) alone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tests.chaos.processes import Process, children, family
from tests.chaos.rig import ROOT
from tests.confined.compose import Service
from workers.embedded import redis_program

APP = "/app"
DEVICES = ("null", "zero", "full", "random", "urandom")
PLACES = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib64", sys.prefix, sys.base_prefix)
"""The image: the system's programs, and this Python with what is installed for it."""
PROGRAMS = {
    "redis": [redis_program(), "--protected-mode", "no"],
    "chromadb": [sys.executable, "-P", "-c",
                 "import sys, chromadb_rust_bindings as c; c.cli(['chroma', *sys.argv[1:]])"],
}  # fmt: skip
"""Entry points of the stores' images; Valkey's comes without its protected mode. Ours otherwise."""
FOLDERS = {"redis": "/data"}
"""Where the image's programs begin; ours begin in the program's folder."""
OURS = [sys.executable, "-m", "service.cli"]
PING = "import redis; redis.Redis('127.0.0.1', socket_timeout=1).ping()"
PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
HEALTHY_S = 90.0
STATUS = ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")


class Standing(msgspec.Struct, frozen=True):
    """A process as the kernel shows it (proc(5), `status`): the rights it has, and its root."""

    command: str
    rights: dict[str, str]
    root: str
    """Options of what is mounted at `/`."""


class Container:
    """One service in a root, process and mount namespace of its own. Must run as root."""

    def __init__(self, name: str, service: Service, folder: Path) -> None:
        """Its log and root go below `folder`; a volume is the folder of its name there."""
        self.name, self.service = name, service
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._root = folder / f"{name}.root"
        self._root.mkdir()
        image = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": APP}
        self._environment = {"PATH": PATH, "HOME": "/", **image, **service.environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make its root and start it there, as the first process of its namespace."""
        run = [*PROGRAMS.get(self.name, OURS), *self._arguments()]
        begin = ["env", f"--chdir={FOLDERS.get(self.name, APP)}"]
        inside = ["exec", "chroot", str(self._root), *begin, *self._demoted(run)]
        script = "\n".join(shlex.join(line) for line in [*self._mounts(), inside])
        apart = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*apart, "sh", "-euc", script], env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip

    def wait_healthy(self) -> None:
        """Until its own health check says so. Raises AssertionError with its log."""
        kind, *check = self.service.healthcheck.test
        assert kind == "CMD", kind
        if check[0] == "valkey-cli":  # not part of the wheel that brings the server
            check = [sys.executable, "-c", PING]
        deadline = time.monotonic() + HEALTHY_S
        while (found := self.execute(check)).returncode:
            if time.monotonic() > deadline or self._running.poll() is not None:
                raise AssertionError(f"{self.name}: {found.stderr} {self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def execute(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command beside its first process, with no more rights, as `docker exec` does."""
        first = self._first()
        target = str(first.pid) if first else "0"
        enter = ["nsenter", "--target", target, "--mount", "--pid", "--ipc", "--root", "--wd"]
        return subprocess.run(
            enter + self._demoted(command), env=self._environment, text=True, capture_output=True,
            check=False, timeout=60,
        )  # fmt: skip

    def standing(self) -> list[Standing]:
        """All its processes."""
        return [_standing(process) for process in family(self._running.pid)]

    def stop(self) -> int:
        """SIGTERM to its first process, SIGKILL after its grace; its exit code."""
        if first := self._first():
            os.kill(first.pid, 15)
        try:
            return self._running.wait(self.service.grace_s)
        except subprocess.TimeoutExpired:
            self._running.kill()
            return self._running.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _first(self) -> Process | None:
        found = children(self._running.pid)
        return found[0] if found else None

    def _arguments(self) -> list[str]:
        command = self.service.command
        return command[1:] if command[0] == "valkey-server" else command

    def _demoted(self, command: list[str]) -> list[str]:
        """As its user, and without what `cap_drop` and `security_opt` take away."""
        user, group = self.service.user.split(":")
        rights = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
        if self.service.cap_drop == ["ALL"]:
            rights += ["--inh-caps=-all", "--bounding-set=-all"]
        if "no-new-privileges:true" in self.service.security_opt:
            rights += ["--no-new-privs"]
        return [*rights, *command]

    def _mounts(self) -> list[list[str]]:
        """Commands that make its root: the image for reading, then what it may write to."""
        root = self._root
        lines = [["mount", "-t", "tmpfs", "-o", "mode=755", "root", str(root)]]
        for scratch in self.service.tmpfs:  # a checkout may lie below one
            options = "nosuid,nodev,noexec,mode=1777"  # Docker's own
            lines += [["mkdir", f"{root}{scratch}"]]
            lines += [["mount", "-t", "tmpfs", "-o", options, "tmpfs", f"{root}{scratch}"]]
        for place in dict.fromkeys(PLACES):
            lines += self._shown(Path(place), place)
        lines += self._shown(ROOT, APP)
        for name in ("hosts", "resolv.conf"):
            lines += [["mount", "--bind", f"/etc/{name}", f"{root}/etc/{name}"]]
        lines += [["mkdir", f"{root}/proc", f"{root}/dev"]]
        lines += [["mount", "-t", "proc", "proc", f"{root}/proc"]]
        for device in DEVICES:
            lines += [["touch", f"{root}/dev/{device}"]]
            lines += [["mount", "--bind", f"/dev/{device}", f"{root}/dev/{device}"]]
        for volume in self.service.volumes:
            lines += self._volume(*volume.split(":"))
        if self.service.read_only:
            lines += [["mount", "-o", "remount,ro,mode=755", "root", str(root)]]
        return lines

    def _shown(self, place: Path, inside: str) -> list[list[str]]:
        """A folder for reading; a link as a link."""
        at = f"{self._root}{inside}"
        if place.is_symlink():
            return [["ln", "-s", os.readlink(place), at]]
        if not place.is_dir() or any(p in PLACES for p in map(str, place.parents)):
            return []
        read_only = ["mount", "-o", "remount,bind,ro,nosuid", at]
        return [["mkdir", "-p", at], ["mount", "--bind", str(place), at], read_only]

    def _volume(self, name: str, inside: str) -> list[list[str]]:
        """A folder that it may write to; its user's, as the image makes it."""
        kept = self._folder / name
        at = f"{self._root}{inside}"
        return [
            ["mkdir", "-p", str(kept), at], ["chown", self.service.user, str(kept)],
            ["mount", "--bind", str(kept), at],
        ]  # fmt: skip


def _standing(process: Process) -> Standing:
    place = Path(f"/proc/{process.pid}")
    rows = (line.partition(":\t") for line in (place / "status").read_text().splitlines())
    said = {key: value for key, _, value in rows if key in STATUS}
    mounts = [line.split() for line in (place / "mountinfo").read_text().splitlines()]
    return Standing(process.command, said, next(m[5] for m in mounts if m[4] == "/"))
