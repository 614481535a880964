"""Streams of events: the bytes of a frame, the queue of one open page, and the pages that share their bytes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.registry.api.portal.topics import Topic
from services.registry.domain.portal import Change, Cursor
from shared.events import Language

QUEUE = 64
"""Frames that wait for one client (portal.md P18); one that reads no faster is told to reload."""


def frame(cursor: Cursor | None, fragments: Sequence[bytes]) -> bytes:
    """One unnamed event for each of `fragments`. A page that handled the last is as of `cursor`; None: it has
    something else to come."""
    events = [b"".join(b"data: %s\n" % line for line in fragment.splitlines()) for fragment in fragments if fragment]
    return b"\n".join(events) + (b"id: %s\n" % str(cursor).encode() if cursor else b"") + b"\n"


def reload(cursor: Cursor) -> bytes:
    """Tells the page to draw itself anew."""
    return b"id: %s\nevent: reload\ndata: 1\n\n" % str(cursor).encode()


@dataclass(eq=False, slots=True)
class Stream:
    """One open page."""

    group: "Group"
    session: bytes
    queue: "asyncio.Queue[bytes | None]" = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def put(self, item: bytes | None, cursor: Cursor) -> None:
        """Queue a frame; None ends the stream. Who does not keep up is told to reload instead."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(reload(cursor))
            if item is not None:
                return
        self.queue.put_nowait(item)

    def put_before(self, item: bytes, cursor: Cursor) -> None:
        """Queue a frame ahead of those that were queued while it was drawn: they may be newer than it."""
        later = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        for one in (item, *later):
            self.put(one, cursor)


@dataclass(eq=False, slots=True)
class Group:
    """The open pages of one topic in one language: they get the same bytes."""

    topic: Topic
    language: Language
    streams: set[Stream] = field(default_factory=set)
    waiting: list[Change] = field(default_factory=list)
    """Not drawn yet."""
    unspoken: list[Change] = field(default_factory=list)
    """Drawn, but not yet in the status line."""
    draw_at: float = 0.0
    speak_at: float = 0.0
