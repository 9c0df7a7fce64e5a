"""`compose.yaml`'s confinement, carried out: the whole loop with no rights on its machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import msgspec
import pytest

from tests.chaos.rig import ROOT
from tests.confined.trial import NAMES, RESOLVER, STRANGERS, Report

APART = ["unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]
WITHIN_S = 280
"""15 s as a rule; a busy machine starts seven Pythons slowly."""
pytestmark = pytest.mark.timeout(WITHIN_S + 20)
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "chroot", "ip")
TRIED = """
ip link set lo up
ip route add local default dev lo
mount -t tmpfs none /mnt
exec unshare --mount --pid --ipc --uts --fork "$1" -c \
  "import socket as s; s.socket(s.AF_PACKET, s.SOCK_DGRAM)"
"""
"""What the trial needs to be allowed, in small."""
USERS = {"redis": ("999", "1000")}
OURS = ("10001", "10001")


def forbidden() -> str:
    """Why this machine cannot carry it out; "" where it can."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(missing)} not installed"
    if os.geteuid() != 0:
        return "making namespaces for other users needs root"
    command = [*APART, "sh", "-ec", TRIED, "sh", sys.executable]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One trial for all tests."""
    if reason := forbidden():
        pytest.skip(f"NOT CONFINED, compose.yaml's rights are untried on this machine: {reason}")
    folder = tmp_path_factory.mktemp("confined")
    command = [*APART, sys.executable, "-m", "tests.confined.trial", str(folder)]
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    tried = subprocess.run(
        command, cwd=ROOT, env=ours, capture_output=True, timeout=WITHIN_S, check=False
    )
    logs = "".join(f"{log.name}: {log.read_text()[-1500:]}\n" for log in folder.glob("*.log"))
    assert tried.returncode == 0, tried.stderr.decode()[-3000:] + logs
    return msgspec.json.decode(tried.stdout, type=Report)


def test_the_whole_loop_works(report: Report) -> None:
    """A project's first push gets one commit, one merge request, and a green pipeline."""
    assert report.run["state"] == "succeeded", report.run
    assert (report.commits, report.merge_requests) == (1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_no_process_has_any_right(report: Report, name: str) -> None:
    """As the kernel says: not root, no capability, none to be gained, `/` only for reading."""
    processes = report.processes[name]
    assert processes
    for process in processes:
        user, group = USERS.get(name, OURS)
        rights = dict(process.rights)
        assert set(rights.pop("Uid").split()) == {user}, process.command
        assert set(rights.pop("Gid").split()) == {group}, process.command
        assert rights.pop("NoNewPrivs") == "1", process.command
        assert len(rights) == 5 and {int(held, 16) for held in rights.values()} == {0}
        assert process.root.startswith("ro"), process.command


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_its_data_and_tmp_can_be_written(report: Report, name: str) -> None:
    """Tried from beside each container's first process, with its rights; the ticker has no less."""
    kept = {place for place, failed in report.written[name].items() if not failed}
    assert kept == {"/tmp", "/data"}
    assert report.written[name]["/"] == "EROFS" and report.written[name]["/app"] == "EROFS"


def test_nothing_calls_anybody_but_gitlab_and_the_stores(report: Report) -> None:
    """Not one packet to any other address, DNS and the libraries' telemetry included; the watch
    sees what is called on purpose, by name and by both kinds of address."""
    assert report.left == []
    first, second = STRANGERS
    called = {f"udp {RESOLVER}:53", f"tcp {first}:443"}
    assert set(report.on_purpose) == called | ({f"tcp [{second}]:443"} if report.ipv6 else set())
    assert report.missed == 0


def test_it_ends_when_it_is_told_to(report: Report) -> None:
    """SIGTERM to the first process of its namespace, which the kernel protects from signals that
    it does not handle: all end in good order within their grace."""
    assert report.stopped == dict.fromkeys(NAMES, 0)
