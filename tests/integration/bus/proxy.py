"""A TCP proxy in front of a broker that cuts connections, delays bytes and swallows them, in each direction by itself.

What is swallowed is held back, not lost: as TCP does it, it arrives when the way is open again, unless the connection
has ended by then.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

from shared.lifecycle import Tasks


class Way(Enum):
    """Seen from the client."""

    UP = "to the broker"
    DOWN = "from the broker"


BOTH = (Way.UP, Way.DOWN)


@dataclass
class _Lane:
    """One direction of all connections."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    delay: float = 0.0


class Proxy:
    """Between clients and one broker; starts with both ways open."""

    def __init__(self, port: int, upstream: int) -> None:
        """`port` is where clients connect, `upstream` the broker's; both on loopback. A socket with SO_REUSEPORT that
        does not listen may hold `port` for us."""
        self._port, self._upstream = port, upstream
        self._lanes = {way: _Lane() for way in Way}
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.accepted = 0
        """Connections so far."""
        self.heal()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listens until the block is left."""
        try:
            async with Tasks() as tasks:
                self._tasks = tasks
                await self.admit()
                try:
                    yield self
                finally:
                    self.refuse()
        finally:
            self.cut()  # also what was accepted and not carried yet
            await asyncio.sleep(0)

    async def admit(self) -> None:
        """Take connections again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, reuse_port=True)

    def refuse(self) -> None:
        """As a broker that is not there: cut everything, take no connection."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset all connections, in the middle of whatever they carry."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def swallow(self, *ways: Way) -> None:
        """From now on nothing passes: a black hole, which says neither yes nor no."""
        for way in ways:
            self._lanes[way].open.clear()

    def delay(self, seconds: float) -> None:
        """Everything takes so much longer, each way."""
        for lane in self._lanes.values():
            lane.delay = seconds

    def heal(self) -> None:
        """Both ways are open, without delay."""
        for lane in self._lanes.values():
            lane.open.set()
            lane.delay = 0.0

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        self._tasks.spawn(self._carry(reader, writer), "connection")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._writers.add(far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, self._lanes[Way.UP]))
                group.create_task(self._pump(far_reader, writer, self._lanes[Way.DOWN]))
        finally:
            for each in (writer, far_writer):
                each.transport.abort()
                self._writers.discard(each)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, lane: _Lane) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(64 * 1024):
                await lane.open.wait()
                if lane.delay:
                    await asyncio.sleep(lane.delay)
                target.write(chunk)
                await target.drain()
        target.transport.abort()
