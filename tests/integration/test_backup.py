"""Backup and restore: a copy taken under load holds all that was acknowledged before it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from tests.support.keys import KEY
from workers import backup
from workers.backup import Manifest
from workers.clients.chroma import Index
from workers.embedded import EmbeddedChroma, EmbeddedRedis
from workers.errors import BackendError, Misconfigured, NotFound, Rejected
from workers.events import Event
from workers.pipeline.templates import Templates
from workers.steps.retrieve import rebuild
from workers.store import schema
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Provenance
from workers.store.ledger import Ledger

RECORD = LearnedPipeline(
    language="go", framework=None, template="go", template_version="1",
    provenance=Provenance(project_id=1, namespace="shop", run="run-1", pipeline=1),
)  # fmt: skip


class Source:
    """A data folder with a store that runs, as `up` keeps it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.server = EmbeddedRedis(data / "redis")
        self.server.start()
        self.redis = redis.Redis.from_url(self.server.url)
        schema.ensure(self.redis)
        for name in ("webhook-secret", "api-token"):
            (data / name).write_text(f"{name}-0123456789\n")
            (data / name).chmod(0o600)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    made = Source(tmp_path / "data")
    yield made
    made.redis.close()
    made.server.stop()


def devops(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command as a person types it."""
    env = {"PATH": os.environ["PATH"], "DEVOPS_BACKEND_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *words], env=env, text=True, capture_output=True,
        timeout=90, cwd=Path(__file__).parents[2],
    )  # fmt: skip


class Load(threading.Thread):
    """Deliveries without a pause, each noted once it is acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.over = url, threading.Event()
        self.acknowledged: list[str] = []

    def run(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            ledger = Ledger(client)
            while not self.over.is_set():
                number = len(self.acknowledged) + 1
                event = Event("push", number % 50 + 1, ref="main", before="0", after=str(number))
                self.acknowledged.append(ledger.receive(event).delivery)


def test_copied_under_load_restored_started(
    source: Source, tmp_path: Path, chroma_server: EmbeddedChroma
) -> None:
    """By the commands: nothing acknowledged before the copy is missing, the secrets are the same,
    what was learned is there, and Chroma is made anew from it."""
    LearnedStore(source.redis, KEY).record_outcome(RECORD, 1, "succeeded")
    load = Load(source.server.url)
    load.start()
    while len(load.acknowledged) < 500:
        load.join(0.01)
    before = list(load.acknowledged)
    made = devops(source.data, "backup", str(tmp_path / "copy"), "--json")
    load.over.set()
    load.join()
    assert made.returncode == 0, made.stderr
    assert len(load.acknowledged) > len(before)
    manifest = msgspec.json.decode(made.stdout, type=Manifest)
    assert manifest.schema == schema.VERSION and manifest.keys > 500

    fresh = tmp_path / "fresh"
    back = devops(fresh, "restore", str(tmp_path / "copy"))
    assert back.returncode == 0 and manifest.made_at in back.stdout, back.stderr
    assert "learned rebuild" in back.stderr
    for name in ("webhook-secret", "api-token"):
        assert (fresh / name).read_bytes() == (source.data / name).read_bytes()
        assert stat.S_IMODE((fresh / name).stat().st_mode) == 0o600
    with EmbeddedRedis(fresh / "redis") as server, redis.Redis.from_url(server.url) as client:
        ledger = Ledger(client)
        assert [d for d in before if ledger.delivery(d) is None] == []
        assert ledger.take(1, "generate") is not None
        learned = LearnedStore(client, KEY)
        assert [record.successes for record in learned] == [1]
        index = Index(chroma_server.url, timeout=10)
        assert rebuild(index, learned, Templates.load())[0] == 1
        # It is a store like any other: what is written now is there after the next start.
        client.set("written-after", 1)
    with EmbeddedRedis(fresh / "redis") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("written-after") == b"1"
        assert Ledger(client).delivery(before[0]) is not None


def test_a_backup_is_private_and_of_its_own(source: Source, tmp_path: Path) -> None:
    """Only the owner reads it; a folder with something in it is not written to."""
    copy = tmp_path / "copy"
    backup.backup(source.redis, source.data, copy)
    for path in (copy, *copy.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name == backup.MANIFEST
    with pytest.raises(Rejected, match="not empty"):
        backup.backup(source.redis, source.data, copy)


def test_it_is_restored_into_nothing_but_a_fresh_folder(source: Source, tmp_path: Path) -> None:
    """No store is overwritten, no other secret replaced."""
    copy = tmp_path / "copy"
    backup.backup(source.redis, source.data, copy)
    with pytest.raises(Rejected, match="holds a store already"):
        backup.restore(copy, source.data)
    other = tmp_path / "other"
    other.mkdir()
    (other / "api-token").write_text("another-0123456789\n")
    with pytest.raises(Rejected, match="another one"):
        backup.restore(copy, other)
    assert not (other / "redis").exists()


@pytest.mark.parametrize(
    ("harm", "error", "says"),
    [
        ("no manifest", NotFound, "no backup"),
        ("garbled manifest", Rejected, "damaged"),
        ("snapshot cut", Rejected, "checksum"),
        ("secret missing", Rejected, "is missing"),
        ("a name outside", Rejected, "outside"),
    ],
)
def test_what_is_no_whole_backup_is_refused(
    harm: str, error: type[BackendError], says: str, source: Source, tmp_path: Path
) -> None:
    """Before anything is written."""
    copy, fresh = tmp_path / "copy", tmp_path / "fresh"
    manifest = backup.backup(source.redis, source.data, copy)
    file = copy / backup.MANIFEST
    if harm == "no manifest":
        file.unlink()
    elif harm == "garbled manifest":
        file.write_text("{")
    elif harm == "snapshot cut":
        whole = (copy / backup.SNAPSHOT).read_bytes()
        (copy / backup.SNAPSHOT).write_bytes(whole[:-10])
    elif harm == "secret missing":
        (copy / backup.KEPT / "api-token").unlink()
    else:
        moved = msgspec.structs.replace(manifest, kept=("../evil",))
        file.write_bytes(msgspec.json.encode(moved))
    with pytest.raises(error, match=says):
        backup.restore(copy, fresh)
    assert not fresh.exists()


def test_one_of_a_newer_program_is_refused_whole(source: Source, tmp_path: Path) -> None:
    """It is said, and the folder stays fit for another try."""
    source.redis.hset(schema.SCHEMA, "version", 99)
    copy, fresh = tmp_path / "copy", tmp_path / "fresh"
    with pytest.raises(Misconfigured, match="newer"):
        schema.ensure(source.redis)
    backup.backup(source.redis, source.data, copy)
    for _ in range(2):
        with pytest.raises(Misconfigured, match="schema 99"):
            backup.restore(copy, fresh)
    assert not (fresh / "api-token").exists()


def test_a_server_elsewhere_is_told_where_it_saved(tmp_path: Path, source: Source) -> None:
    """Its files are not ours to read: the path that it named is said, and no backup is left."""
    place = source.data / "redis"
    watch = threading.Event()

    def move_away() -> None:
        while not watch.wait(0.001):
            (place / "dump.rdb").unlink(missing_ok=True)

    mover = threading.Thread(target=move_away)
    mover.start()
    try:
        with pytest.raises(Rejected, match="not on this machine"):
            backup.backup(source.redis, source.data, tmp_path / "copy")
    finally:
        watch.set()
        mover.join()
    assert not (tmp_path / "copy" / backup.MANIFEST).exists()


def test_restore_says_what_to_do_with_a_server_of_ones_own(tmp_path: Path) -> None:
    """REDIS_URL is set: the snapshot goes there by that server's own means."""
    env = {"PATH": os.environ["PATH"], "REDIS_URL": "redis://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "restore", str(tmp_path)], env=env, text=True,
        capture_output=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 1 and "redis.rdb" in done.stderr and "REDIS_URL" in done.stderr
    assert done.stdout == ""
