"""A copy of all that cannot be made again, taken while the program runs, and the way back.

What Redis holds comes as a snapshot of its own (`BGSAVE`): everything that was acknowledged before
the command is in it. With it go the secrets that were made and kept. Chroma is left out: it is an
index, and `learned rebuild` makes it anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any, cast

import msgspec
from redis import Redis
from redis.exceptions import ResponseError

from workers.embedded import EmbeddedRedis
from workers.errors import Misconfigured, NotFound, Rejected
from workers.runs import timestamp
from workers.store import schema
from workers.store.deliveries import as_text

SNAPSHOT, MANIFEST, KEPT = "redis.rdb", "backup.json", "kept"
WITHIN_S = 600.0
BASE = "appendonly.aof.1.base.rdb"
"""The name of a first base file beside its manifest, as Redis and Valkey write them."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. `made_at` is RFC 3339, UTC: all that was acknowledged by then."""

    made_at: str
    schema: int
    keys: int
    sha256: str
    """Of the snapshot."""
    kept: tuple[str, ...] = ()
    """Names of the secrets' files."""


def backup(redis: Redis, data: Path, target: Path) -> Manifest:
    """Copy everything into the folder `target`, which must be new or empty.

    Raises Rejected where the server's files are not on this machine, or it cannot save.
    """
    if target.exists() and any(target.iterdir()):
        raise Rejected(f"{target} is not empty; name a new folder")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    made_at, version, keys = timestamp(), schema.version_of(redis), int(redis.dbsize())
    _copy(_saved(redis), target / SNAPSHOT)
    kept = sorted(file.name for file in data.iterdir() if file.is_file()) if data.is_dir() else []
    for name in kept:
        (target / KEPT).mkdir(exist_ok=True, mode=0o700)
        _copy(data / name, target / KEPT / name)
    manifest = Manifest(
        made_at=made_at, schema=version, keys=keys, sha256=_sha256(target / SNAPSHOT),
        kept=tuple(kept),
    )  # fmt: skip
    # Last: a folder without it is no backup.
    (target / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _saved(redis: Redis) -> Path:
    """The file of a snapshot that was begun after this call."""
    deadline = time.monotonic() + WITHIN_S
    before = _saves(redis)
    begun = False
    # One that was begun earlier does not count, and keeps ours from beginning.
    while not begun or _saves(redis) == before or _persistence(redis)["rdb_bgsave_in_progress"]:
        if not begun and not _persistence(redis)["rdb_bgsave_in_progress"]:
            before = _saves(redis)
            begun = _begin_saving(redis)
        if time.monotonic() > deadline:
            raise Rejected(f"Redis did not save within {WITHIN_S:.0f} s; see its log")
        time.sleep(0.05)
    if _persistence(redis)["rdb_last_bgsave_status"] != "ok":
        raise Rejected("Redis could not save, as a rule for want of space; see its log")
    path = Path(_config(redis, "dir")) / _config(redis, "dbfilename")
    if not os.access(path, os.R_OK):
        raise Rejected(
            f"Redis saved to {path}, which is not on this machine or not readable: copy it from"
            f" there as {SNAPSHOT}"
        )
    return path


def _begin_saving(redis: Redis) -> bool:
    """Whether it began, or will once the append-only file is rewritten."""
    try:
        return bool(redis.bgsave(schedule=True))
    except ResponseError as error:
        if "in progress" in str(error):
            return False
        raise Rejected(f"Redis refuses to save: {error}") from None


def _saves(redis: Redis) -> tuple[int, int]:
    info = _persistence(redis)
    # The time has seconds only, the count is of those that were begun.
    return int(info["rdb_last_save_time"]), int(info.get("rdb_saves", 0))


def _persistence(redis: Redis) -> dict[str, Any]:
    return redis.info("persistence")


def _config(redis: Redis, name: str) -> str:
    found = cast("dict[Any, Any]", redis.config_get(name))
    value = found.get(name, found.get(name.encode(), ""))
    return as_text(value)


def restore(source: Path, data: Path) -> Manifest:
    """Put a backup into the data folder `data`, which must not hold a store yet.

    The store is started once to see that it can be read. Raises NotFound where `source` is no
    backup, Rejected where it is damaged or there is something already, Misconfigured where it is
    of a newer program.
    """
    manifest = read(source)
    folder = data / "redis"
    if (folder / "appendonlydir").exists() or (folder / "dump.rdb").exists():
        raise Rejected(f"{folder} holds a store already; move it away first")
    for name in manifest.kept:
        there = data / name
        if there.exists() and there.read_bytes() != (source / KEPT / name).read_bytes():
            raise Rejected(f"{there} is another one than in the backup; move it away first")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = folder / "appendonlydir"
    place.mkdir(parents=True, mode=0o700)
    _copy(source / SNAPSHOT, place / BASE)
    (place / "appendonly.aof.manifest").write_text(f"file {BASE} seq 1 type b\n")
    try:
        with EmbeddedRedis(folder) as server, Redis.from_url(server.url) as redis:
            schema.ensure(redis)
    except Misconfigured:
        shutil.rmtree(place)
        raise
    for name in manifest.kept:
        _copy(source / KEPT / name, data / name)
    return manifest


def read(source: Path) -> Manifest:
    """What a folder says it holds, checked. Raises NotFound and Rejected."""
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise NotFound(f"{source} is no backup ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise Rejected(f"{source / MANIFEST} is damaged ({error})") from None
    if any(Path(name).name != name for name in manifest.kept):
        raise Rejected(f"{source / MANIFEST} names files outside of it")
    files = (source / SNAPSHOT, *(source / KEPT / name for name in manifest.kept))
    if missing := [path for path in files if not path.is_file()]:
        raise Rejected(f"{missing[0]} is missing")
    if _sha256(source / SNAPSHOT) != manifest.sha256:
        raise Rejected(f"{source / SNAPSHOT} is damaged: its checksum is another")
    return manifest


def _copy(source: Path, target: Path) -> None:
    """A private copy that is on the disk when this returns."""
    with (
        source.open("rb") as read,
        open(target, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as write,
    ):
        shutil.copyfileobj(read, write, 1 << 20)
        write.flush()
        os.fsync(write.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
