"""A way to Redis on which answers get lost: the command is carried out, and nobody hears of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from types import TracebackType
from typing import Self


class LossyProxy:
    """TCP on loopback to a unix socket. `loss` is the chance that an answer ends a connection."""

    def __init__(self, upstream: str, seed: int) -> None:
        self.loss = 0.0
        self.lost = 0
        self.port = 0
        self._upstream = upstream
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    @property
    def url(self) -> str:
        """As a Redis address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _connected(self, near: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            far, onward = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            to.close()
            return
        asks = asyncio.create_task(_pump(near, onward))
        try:
            while data := await far.read(65536):
                if self._random.random() < self.loss:
                    self.lost += 1
                    break
                to.write(data)
                await to.drain()
        except (OSError, asyncio.CancelledError):
            pass  # either side is gone: so is the connection
        finally:
            asks.cancel()
            for end in (to, onward):
                end.close()


async def _pump(read: asyncio.StreamReader, write: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await read.read(65536):
            write.write(data)
            await write.drain()
    write.close()
