"""The embedded stores: real servers that start fast, keep data, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import redis

from workers import child
from workers.embedded import EmbeddedChroma, EmbeddedRedis, find_running, free_port
from workers.errors import Misconfigured

# Python 3.12 warns of a fork beside threads; the child here asks one question and ends.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")

GONE_WITHIN_S = 5.0


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # dead; whoever inherited it has not looked yet
            return True
        time.sleep(0.02)
    return False


def _pid(server: child.Child) -> int:
    assert server.pid is not None
    return server.pid


def test_redis_is_bounded_durable_and_off_the_network(tmp_path: Path) -> None:
    """No TCP port, no eviction, 512 MB, append-only file written before each answer."""
    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        wanted = {
            "port": "0",
            "maxmemory": str(512 * 1024 * 1024),
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "no",
            "protected-mode": "yes",
        }
        assert client.config_get(*wanted) == wanted
        assert not server.url.startswith("redis://")


def test_redis_keeps_acknowledged_writes_when_it_is_killed(tmp_path: Path) -> None:
    """kill -9 after an answered write, start again: the write is there."""
    with EmbeddedRedis(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
        os.kill(_pid(server), signal.SIGKILL)
        assert _gone_or_reaped(server)
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"


def test_redis_holds_no_acknowledged_write_back_while_the_disk_is_slow(tmp_path: Path) -> None:
    """Whatever was answered has left its memory, though the disk is kept busy for three seconds."""
    over = threading.Event()

    def keep_busy() -> None:
        with (tmp_path / "busy").open("wb") as busy:
            while not over.is_set():
                busy.seek(0)
                busy.write(bytes(2_000_000))
                busy.flush()
                os.fsync(busy.fileno())

    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        other = threading.Thread(target=keep_busy)
        other.start()
        held, until = 0, time.monotonic() + 3
        while time.monotonic() < until:
            client.set("value", bytes(20_000))
            held = max(held, client.info("persistence")["aof_buffer_length"])
        over.set()
        other.join()
    assert held == 0


def test_redis_log_reaches_the_disk_every_second(tmp_path: Path) -> None:
    """The sync goes on after a restart, and ends with the server."""

    def syncers() -> int:
        return [t.name for t in threading.enumerate()].count("redis-sync")

    others = syncers()  # the session's own server has one as well
    with EmbeddedRedis(tmp_path) as server:
        os.kill(_pid(server), signal.SIGKILL)
        assert _gone_or_reaped(server)
        server.stop()
        server.start()
        assert syncers() == others + 1
    assert syncers() == others


def _gone_or_reaped(server: child.Child) -> bool:
    deadline = time.monotonic() + GONE_WITHIN_S
    while server.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.pid is None


def test_a_long_folder_name_moves_the_socket(tmp_path: Path) -> None:
    """A path too long for a unix socket: the socket stands elsewhere, and is found and removed."""
    folder = tmp_path / ("long" * 40)
    with EmbeddedRedis(folder / "redis") as server:
        path = server.url.removeprefix("unix://").partition("?")[0]
        assert len(path) <= 103
        assert find_running(folder) == server.url
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
    assert not Path(path).parent.exists()
    assert find_running(folder) is None


@pytest.mark.parametrize("name", ["short", "long" * 40])
def test_a_server_started_again_has_the_same_address(tmp_path: Path, name: str) -> None:
    """Those who hold its address need not be told anew."""
    for server in (EmbeddedRedis(tmp_path / name / "r"), EmbeddedChroma(tmp_path / name / "c")):
        with server:
            before = server.url
            server.stop()
            server.start()
            assert server.url == before


def test_a_running_redis_is_found_by_its_folder(tmp_path: Path) -> None:
    """Another command of this machine reaches the server that `up` keeps; None where none runs."""
    assert find_running(tmp_path) is None
    with EmbeddedRedis(tmp_path / "redis") as server:
        assert find_running(tmp_path) == server.url
    assert find_running(tmp_path) is None


def test_two_programs_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one is told that the folder is in use, and the first one goes on."""
    with EmbeddedRedis(tmp_path) as first:
        with pytest.raises(Misconfigured, match="is in use by another"):
            EmbeddedRedis(tmp_path).start()
        with redis.Redis.from_url(first.url) as client:
            assert client.ping()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The end of the server's log is part of the message."""
    files = tmp_path / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("no manifest\n")
    with pytest.raises(Misconfigured, match=r"ended as it started: .*manifest"):
        EmbeddedRedis(tmp_path).start()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the folder's place: the setting and the path are in the message."""
    (tmp_path / "redis").write_text("")
    with pytest.raises(Misconfigured, match=r"DEVOPS_BACKEND_DATA: .*redis cannot be written"):
        EmbeddedRedis(tmp_path / "redis").start()


def test_chroma_answers_on_loopback_only(tmp_path: Path) -> None:
    """It listens on 127.0.0.1 and not on the machine's other addresses."""
    with EmbeddedChroma(tmp_path) as server:
        assert httpx.get(f"{server.url}/api/v2/heartbeat", trust_env=False).is_success
        with socket.socket() as other:  # 127.0.0.2 is another address of the same machine
            other.settimeout(2)
            assert other.connect_ex(("127.0.0.2", server.port)) != 0


def test_chroma_keeps_its_data(tmp_path: Path) -> None:
    """What was there before a stop is there after the next start, on another port if need be."""
    route = "api/v2/tenants/default_tenant/databases/default_database/collections"
    with EmbeddedChroma(tmp_path) as server:
        made = httpx.post(f"{server.url}/{route}", json={"name": "kept"}, trust_env=False)
        assert made.is_success
    with EmbeddedChroma(tmp_path) as server:
        listed = httpx.get(f"{server.url}/{route}", trust_env=False).json()
        assert [collection["name"] for collection in listed] == ["kept"]


def test_logs_stay_small(tmp_path: Path) -> None:
    """A hundred requests leave no line behind, and the log of the last start is kept."""
    with EmbeddedChroma(tmp_path) as server, httpx.Client(trust_env=False) as client:
        for _ in range(100):
            client.get(f"{server.url}/api/v2/version").raise_for_status()
        assert (tmp_path / "log").stat().st_size < 5000
        server.start()
        assert (tmp_path / "log.before").stat().st_size > 0


def test_chroma_says_that_its_port_is_taken(tmp_path: Path) -> None:
    """A port given by the operator is not swapped for another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match="is not available"):
            EmbeddedChroma(tmp_path, port=taken.getsockname()[1]).start()


def test_stopping_is_certain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not react to SIGTERM is killed."""
    monkeypatch.setattr(child, "STOP_WITHIN_S", 0.2)
    server = EmbeddedRedis(tmp_path)
    server.start()
    pid = _pid(server)
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert _gone(pid)
    assert server.pid is None


def test_stopping_in_a_forked_copy_leaves_the_server_alone(tmp_path: Path) -> None:
    """A work-horse that unwinds its copy of the stack does not end its parent's stores."""
    with EmbeddedRedis(tmp_path) as server:
        copy = os.fork()
        if copy == 0:
            server.stop()
            os._exit(0)
        os.waitpid(copy, 0)
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()


def test_servers_die_with_the_program(tmp_path: Path) -> None:
    """kill -9 of the program that started them: within seconds neither runs."""
    program = (
        "import sys, time; from pathlib import Path;"
        "from workers.embedded import EmbeddedChroma, EmbeddedRedis;"
        "data = Path(sys.argv[1]);"
        "r = EmbeddedRedis(data / 'redis'); r.start();"
        "c = EmbeddedChroma(data / 'chroma'); c.start();"
        "print(r.pid, c.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert [_gone(pid) for pid in pids] == [True, True]


def test_servers_see_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's tokens are not in the environment of the servers it starts."""
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-CANARY")
    with EmbeddedRedis(tmp_path / "r") as first, EmbeddedChroma(tmp_path / "c") as second:
        for server in (first, second):
            assert b"CANARY" not in Path(f"/proc/{_pid(server)}/environ").read_bytes()


def test_a_free_port_can_be_bound() -> None:
    """What is called free can be listened on."""
    with socket.socket() as listener:
        port = free_port()
        listener.bind(("127.0.0.1", port))
        assert listener.getsockname()[1] == port
