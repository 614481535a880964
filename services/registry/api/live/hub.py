"""The hub: one poller a process reads the changes, has each component drawn once, and fans the bytes out."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from services.registry.api.live.streams import Group, Stream, frame, reload
from services.registry.api.portal.topics import Ancestry, Topic
from services.registry.domain.portal import Change, Cursor
from services.registry.domain.steps import Took, untold
from shared.errors import Failure, Unavailable
from shared.events import Language
from shared.lifecycle import Tasks, Wakeup
from shared.telemetry import UNTRACED, Tracing

log = structlog.get_logger(__name__)

POLL = 0.25
"""Seconds between two looks at the changes: commits of another process are not heard (issue: within 1 s)."""
REPLAY = 1_000
REPLAY_FOR = timedelta(minutes=10)
"""What a page that was away is brought up to date with; more is a reload (portal.md P16)."""
STREAMS = 2_000
STREAMS_OF_A_SESSION = 10
"""portal.md P19: about 50 KB each."""
PING = 15.0
"""Seconds: portal.md P17."""
SPEAK = 5.0
"""Seconds between two sentences for screen readers (portal.md P22)."""
CHECK_SESSIONS = 5.0
"""Seconds after which a revoked session's stream is closed at the latest (portal.md P20)."""
STREAM_FOR = 300.0
"""Seconds: then the browser connects anew, and its rights are checked again (portal.md P20)."""


class TooManyStreams(Unavailable):
    """Too many pages are live at once. Refresh this page to see changes."""

    code = "too_many_streams"


class Reads(Protocol):
    """What the hub reads."""

    async def changes(self, after: Cursor, limit: int) -> Sequence[Change]:
        """Changes after `after`, in order."""

    async def newest(self) -> Cursor:
        """The newest change."""

    async def oldest(self) -> Cursor:
        """The oldest change that is kept."""

    async def alive(self, sessions: Sequence[bytes], now: datetime) -> frozenset[bytes]:
        """Of these sessions those that are alive."""

    async def ancestry(self, unit_ids: Sequence[UUID]) -> Ancestry:
        """Each of these units with itself and all units above it."""


class Draw(Protocol):
    """Draws components."""

    async def fragments(
        self, topic: Topic, language: Language, changes: Sequence[Change], spoken: Sequence[Change]
    ) -> Sequence[bytes]:
        """What `changes` redraw, and the status line about `spoken`."""


class Hub:
    """Reads changes and feeds streams."""

    def __init__(
        self,
        reads: Reads,
        draw: Draw,
        clock: Callable[[], datetime],
        *,
        wakeup: Wakeup,
        monotonic: Callable[[], float] = time.monotonic,
        took: Took = untold,
        tracing: Tracing = UNTRACED,
    ) -> None:
        """`wakeup` is woken by commits of this process."""
        self._reads = reads
        self._draw = draw
        self._clock = clock
        self._wakeup = wakeup
        self._monotonic = monotonic
        self._took = took
        self._tracing = tracing
        self._groups: dict[tuple[Topic, Language], Group] = {}
        self._position = Cursor(0, 0)
        self._check_at = 0.0
        self.closing = False

    @asynccontextmanager
    async def running(self, tasks: Tasks) -> AsyncIterator[None]:
        """Serve streams while the block lasts; then end them all, so that their requests finish."""
        task = tasks.spawn(self._run(), name="live")
        try:
            yield
        finally:
            self.closing = True
            task.cancel()
            for stream in self._streams():
                stream.put(None, self._position)

    def _streams(self) -> list[Stream]:
        return [stream for group in self._groups.values() for stream in group.streams]

    async def open(self, topic: Topic, language: Language, session: bytes, after: Cursor) -> Stream:
        """A stream of what concerns `topic`, after what the page saw already. Raises TooManyStreams."""
        streams = self._streams()
        of_session = Counter(stream.session for stream in streams)[session]
        if self.closing or len(streams) >= STREAMS or of_session >= STREAMS_OF_A_SESSION:
            raise TooManyStreams(retry_after=30)
        if not streams:
            self._position = await self._reads.newest()
        group = self._groups.setdefault((topic, language), Group(topic, language))
        stream = Stream(group, session)
        group.streams.add(stream)
        try:
            await self._replay(stream, after)
        except BaseException:
            self.leave(stream)
            raise
        return stream

    def leave(self, stream: Stream) -> None:
        """The page is gone."""
        group = stream.group
        group.streams.discard(stream)
        if not group.streams:
            self._groups.pop((group.topic, group.language), None)

    async def _replay(self, stream: Stream, after: Cursor) -> None:
        if after < await self._reads.oldest():
            stream.put(reload(self._position), self._position)
            return
        missed = await self._reads.changes(after, REPLAY + 1)
        ancestry = await self._ancestry(missed)
        group = stream.group
        concerned = [change for change in missed if group.topic.concerns(change, ancestry)]
        if len(missed) > REPLAY or (concerned and concerned[0].at < self._clock() - REPLAY_FOR):
            stream.put(reload(self._position), self._position)
        elif concerned:
            drawn = await self._draw.fragments(group.topic, group.language, concerned, concerned)
            stream.put_before(frame(missed[-1].cursor, drawn), self._position)

    async def _run(self) -> None:
        while True:
            await self._wakeup.wait(POLL)
            try:
                await self.tick()
            except Failure as failure:
                log.warning("live pages wait", error_code=failure.code)

    async def tick(self) -> None:
        """One look at the changes. Raises what reading and drawing raise."""
        if not self._groups:
            return
        changes = await self._reads.changes(self._position, REPLAY)
        ancestry = await self._ancestry(changes)
        for group in self._groups.values():
            group.waiting += [change for change in changes if group.topic.concerns(change, ancestry)]
        if changes:
            self._position = changes[-1].cursor
        for group in list(self._groups.values()):
            try:
                await self._feed(group)
            except Unavailable:
                raise
            except Exception:  # what is wrong with one page keeps no other page from its changes
                log.exception("a live page cannot be drawn")
                self._end(group)
        await self._close_revoked()
        if len(changes) == REPLAY:
            self._wakeup.wake()

    async def _feed(self, group: Group) -> None:
        now = self._monotonic()
        if len(group.waiting) > REPLAY:
            group.waiting.clear()
            self._send(group, reload(self._position))
            return
        drawable = group.waiting if now >= group.draw_at else []
        unspoken = [*group.unspoken, *drawable]
        spoken = unspoken if now >= group.speak_at else []
        if not drawable and not spoken:
            return
        with self._step(drawable):
            drawn = await self._draw.fragments(group.topic, group.language, drawable, spoken)
        took = self._monotonic() - now
        if drawable:
            group.waiting = group.waiting[len(drawable) :]
            group.draw_at = now + max(group.topic.pace, 10 * took if group.topic.pace else 0.0)
        if spoken:
            group.speak_at = now + SPEAK
        group.unspoken = [] if spoken else unspoken[-REPLAY:]
        self._send(group, frame(None if group.waiting else self._position, drawn))
        sent = self._clock()
        for change in drawable:
            self._took("changed_to_portal", "page", change.at, sent)

    def _step(self, drawn: Sequence[Change]) -> AbstractContextManager[object]:
        """A push of one trace's changes belongs to it; one of several is linked to each."""
        causes = [change.traceparent for change in drawn if change.traceparent]
        return self._tracing.working("push live", causes, drawn[0].at) if causes else nullcontext()

    def _send(self, group: Group, data: bytes) -> None:
        for stream in group.streams:
            stream.put(data, self._position)

    def _end(self, group: Group) -> None:
        """Close the group's streams: their pages connect anew, and are told there what is wrong."""
        group.waiting.clear()
        group.unspoken.clear()
        for stream in group.streams:
            stream.put(None, self._position)

    async def _close_revoked(self) -> None:
        now = self._monotonic()
        if now < self._check_at:
            return
        self._check_at = now + CHECK_SESSIONS
        sessions = {stream.session for stream in self._streams()}
        gone = sessions - await self._reads.alive(sorted(sessions), self._clock())
        for stream in self._streams():  # also those that were opened meanwhile, of whose sessions nobody asked
            if stream.session in gone:
                stream.put(None, self._position)

    async def _ancestry(self, changes: Sequence[Change]) -> Ancestry:
        units = {change.unit_id for change in changes if change.unit_id}
        return await self._reads.ancestry(sorted(units)) if units else {}

    def as_of(self, stream: Stream) -> bytes:
        """A sign of life; where nothing waits, it also moves the place from which the page would go on."""
        return b": still here\n\n" if stream.group.waiting else b"id: %s\n\n" % str(self._position).encode()

    async def frames(self, stream: Stream) -> AsyncIterator[bytes]:
        """The bytes of a stream, until its page is gone, its session ends, or its time is over."""
        ends = self._monotonic() + STREAM_FOR
        try:
            while (left := ends - self._monotonic()) > 0:
                try:
                    async with asyncio.timeout(min(PING, left)):
                        item = await stream.queue.get()
                except TimeoutError:
                    item = self.as_of(stream)
                if item is None:
                    return
                yield item
        finally:
            self.leave(stream)
