"""The Lua scripts: each is one atomic step of the ledger; all writes that matter are one."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

import msgspec
from redis import Redis
from redis.exceptions import NoScriptError


class Script(msgspec.Struct, frozen=True):
    """A script's text and its SHA-1, as EVALSHA wants it."""

    text: str
    sha: str


class Call(msgspec.Struct, frozen=True):
    """One call of a script, ready for any client, sync or async."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[str | bytes | int, ...]

    def run(self, redis: Redis) -> object:
        """Carry it out in one round trip; a server that lost the script gets its text once."""
        try:
            return redis.evalsha(self.script.sha, len(self.keys), *self.keys, *self.args)
        except NoScriptError:
            return redis.eval(self.script.text, len(self.keys), *self.keys, *self.args)


@functools.cache
def script(name: str) -> Script:
    """The script `workers/store/lua/<name>.lua`, read once."""
    text = resources.files("workers.store").joinpath("lua", f"{name}.lua").read_text()
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
