"""The hub of live pages: each component drawn once, late pages brought up to date, slow ones told to reload."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.registry.api.live import hub as hub_module
from services.registry.api.live.hub import REPLAY, SPEAK, STREAMS_OF_A_SESSION, Hub, TooManyStreams
from services.registry.api.live.streams import QUEUE, Stream, frame, reload
from services.registry.api.portal.topics import Below, Committee, Topic
from services.registry.domain.portal import START, Change, Cursor
from shared.errors import NotFound
from shared.events import Language
from shared.lifecycle import Tasks, Wakeup

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ORGANISATION, UNIT, DISTRICT = UUID(int=1), UUID(int=2), UUID(int=3)
COMMITTEE = Committee(ORGANISATION, UNIT, may_record=True)
COVERAGE = Below(ORGANISATION, DISTRICT)


class Reads:
    """Changes in memory, in the words of PortalReads."""

    def __init__(self) -> None:
        self.kept: list[Change] = []
        self.revoked: set[bytes] = set()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    def add(self, unit: UUID | None = UNIT, at: datetime = NOW, tx: int | None = None) -> Change:
        cursor = Cursor(tx or len(self.kept) + 1, len(self.kept) + 1)
        change = Change(cursor, ORGANISATION, unit, None, "verified", at)
        self.kept.append(change)
        return change

    async def changes(self, after: Cursor, limit: int) -> Sequence[Change]:
        return [change for change in self.kept if change.cursor > after][:limit]

    async def newest(self) -> Cursor:
        return self.kept[-1].cursor if self.kept else START

    async def oldest(self) -> Cursor:
        return self.kept[0].cursor if self.kept else START

    async def alive(self, sessions: Sequence[bytes], _: datetime) -> frozenset[bytes]:
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            await meanwhile()
        return frozenset(sessions) - self.revoked

    async def ancestry(self, unit_ids: Sequence[UUID]) -> Mapping[UUID, frozenset[UUID]]:
        return {unit: frozenset({unit, DISTRICT}) for unit in unit_ids}


class Draws:
    """Notes what was drawn."""

    def __init__(self) -> None:
        self.drawn: list[tuple[Topic, Language, int, int]] = []
        self.broken: Topic | None = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def fragments(
        self, topic: Topic, language: Language, changes: Sequence[Change], spoken: Sequence[Change]
    ) -> Sequence[bytes]:
        if topic == self.broken:
            raise NotFound
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            await meanwhile()
        self.drawn.append((topic, language, len(changes), len(spoken)))
        return [b"<p>drawn</p>"]


class Bench:
    """A hub whose clock is turned by hand."""

    def __init__(self) -> None:
        self.reads, self.draws, self.seconds = Reads(), Draws(), 100.0
        self.hub = Hub(self.reads, self.draws, lambda: NOW, wakeup=Wakeup(), monotonic=lambda: self.seconds)

    async def open(self, topic: Topic = COMMITTEE, session: bytes = b"s", after: Cursor = START) -> Stream:
        return await self.hub.open(topic, "hi", session, after)

    async def tick(self, seconds: float = 0.0) -> None:
        self.seconds += seconds
        await self.hub.tick()


def waiting(stream: Stream) -> list[bytes | None]:
    """What is queued."""
    return [stream.queue.get_nowait() for _ in range(stream.queue.qsize())]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_change_is_drawn_once_for_all_pages_of_one_topic(bench: Bench) -> None:
    streams = [await bench.open(session=bytes([number])) for number in range(3)]
    change = bench.reads.add()
    await bench.tick()
    assert bench.draws.drawn == [(COMMITTEE, "hi", 1, 1)]
    expected = b"data: <p>drawn</p>\nid: %s\n\n" % str(change.cursor).encode()
    assert [waiting(stream) for stream in streams] == [[expected]] * 3


async def test_what_does_not_concern_a_page_is_not_drawn(bench: Bench) -> None:
    stream = await bench.open()
    bench.reads.add(unit=UUID(int=99))
    await bench.tick()
    assert (bench.draws.drawn, waiting(stream)) == ([], [])
    assert bench.hub.as_of(stream) == b"id: 1-1\n\n"


async def test_coverage_hears_of_units_below_it_at_most_once_a_second(bench: Bench) -> None:
    stream = await bench.open(COVERAGE)
    bench.reads.add()
    await bench.tick()
    for _ in range(5):
        bench.reads.add()
        await bench.tick(0.1)
    assert [changes for _, _, changes, _ in bench.draws.drawn] == [1]
    assert bench.hub.as_of(stream) == b": still here\n\n"  # a reconnect from here would miss what waits
    await bench.tick(1.0)
    assert [changes for _, _, changes, _ in bench.draws.drawn] == [1, 5]


async def test_the_status_line_speaks_at_most_every_five_seconds_and_owes_nothing(bench: Bench) -> None:
    await bench.open()
    for _ in range(4):
        bench.reads.add()
        await bench.tick(1.0)
    assert [spoken for _, _, _, spoken in bench.draws.drawn] == [1, 0, 0, 0]
    await bench.tick(SPEAK)
    assert bench.draws.drawn[-1] == (COMMITTEE, "hi", 0, 3)


async def test_a_page_that_was_away_gets_what_it_missed_in_one_drawing(bench: Bench) -> None:
    seen = bench.reads.add()
    bench.reads.add()
    last = bench.reads.add()
    stream = await bench.open(after=seen.cursor)
    assert bench.draws.drawn == [(COMMITTEE, "hi", 2, 2)]
    assert waiting(stream) == [frame(last.cursor, [b"<p>drawn</p>"])]
    await bench.tick()
    assert waiting(stream) == []


async def test_what_was_missed_comes_before_what_happened_while_it_was_drawn(bench: Bench) -> None:
    """The drawing may be older than the frame that was queued meanwhile, and must not replace it."""
    seen, missed = bench.reads.add(), bench.reads.add()
    newer: list[Change] = []

    async def meanwhile() -> None:
        newer.append(bench.reads.add())
        await bench.tick()

    bench.draws.meanwhile = meanwhile
    stream = await bench.open(after=seen.cursor)
    drawn = [b"<p>drawn</p>"]
    assert waiting(stream) == [frame(missed.cursor, drawn), frame(newer[0].cursor, drawn)]


async def test_a_page_that_cannot_be_drawn_ends_and_keeps_no_other_from_its_changes(bench: Bench) -> None:
    broken, sound = await bench.open(COVERAGE), await bench.open()
    bench.draws.broken = COVERAGE
    change = bench.reads.add()
    await bench.tick()
    assert waiting(broken) == [None]
    assert waiting(sound) == [frame(change.cursor, [b"<p>drawn</p>"])]


async def test_a_page_that_missed_nothing_of_its_own_is_left_alone(bench: Bench) -> None:
    seen = bench.reads.add()
    bench.reads.add(unit=UUID(int=99), at=NOW - timedelta(hours=1))
    assert waiting(await bench.open(after=seen.cursor)) == []


@pytest.mark.parametrize("why", ["too old", "too much", "forgotten"])
async def test_a_page_that_missed_too_much_reloads(bench: Bench, why: str) -> None:
    if why == "too old":
        bench.reads.add()
        bench.reads.add(at=NOW - timedelta(minutes=11))
        after = Cursor(1, 1)
    elif why == "too much":
        for _ in range(REPLAY + 2):
            bench.reads.add()
        after = Cursor(1, 1)
    else:
        bench.reads.add(tx=50)
        after = Cursor(7, 1)
    stream = await bench.open(after=after)
    assert [item and item.splitlines()[1] for item in waiting(stream)] == [b"event: reload"]


async def test_a_client_that_does_not_read_is_told_to_reload(bench: Bench) -> None:
    stream = await bench.open()
    for _ in range(QUEUE + 1):
        bench.reads.add()
        await bench.tick()
    assert waiting(stream) == [reload(bench.reads.kept[-1].cursor)]


async def test_a_session_has_a_limited_number_of_streams(bench: Bench) -> None:
    streams = [await bench.open() for _ in range(STREAMS_OF_A_SESSION)]
    with pytest.raises(TooManyStreams) as refused:
        await bench.open()
    assert refused.value.retry_after == 30
    await bench.open(session=b"other")
    bench.hub.leave(streams[0])
    await bench.open()


async def test_a_revoked_session_is_closed_within_seconds(bench: Bench) -> None:
    revoked, other = await bench.open(), await bench.open(session=b"other")
    await bench.tick()
    bench.reads.revoked.add(b"s")
    await bench.tick(5.0)
    assert (waiting(revoked), waiting(other)) == ([None], [])


async def test_a_page_that_is_opened_while_sessions_are_checked_stays_open(bench: Bench) -> None:
    await bench.open()
    opened: list[Stream] = []

    async def opens() -> None:
        opened.append(await bench.open(session=b"another"))

    bench.reads.meanwhile = opens
    await bench.tick(5.0)
    assert [waiting(stream) for stream in opened] == [[]]


class Turns(Wakeup):
    """The time between two looks passes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.at_most: list[float] = []
        self.over = asyncio.Semaphore(0)

    async def wait(self, at_most: float) -> None:
        self.at_most.append(at_most)
        await self.over.acquire()


async def test_a_running_hub_looks_four_times_a_second_though_nobody_wakes_it(bench: Bench) -> None:
    turns = Turns()
    hub = Hub(bench.reads, bench.draws, lambda: NOW, wakeup=turns, monotonic=lambda: 100.0)
    async with Tasks() as tasks, hub.running(tasks):
        stream = await hub.open(COMMITTEE, "hi", b"s", START)
        for _ in range(3):
            change = bench.reads.add()
            turns.over.release()
            assert await stream.queue.get() == frame(change.cursor, [b"<p>drawn</p>"])
    assert set(turns.at_most) == {0.25}


async def test_stopping_ends_every_stream(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "PING", 600.0)
    async with Tasks() as tasks, bench.hub.running(tasks):
        frames = bench.hub.frames(await bench.open())
        bench.reads.add()
        assert await anext(frames) == b"data: <p>drawn</p>\nid: 1-1\n\n"
    with pytest.raises(StopAsyncIteration):
        await anext(frames)
    with pytest.raises(TooManyStreams):
        await bench.open()


async def test_a_page_that_goes_away_is_forgotten(bench: Bench) -> None:
    stream = await bench.open()
    frames = bench.hub.frames(stream)
    reading = asyncio.ensure_future(anext(frames))  # noqa: TID251  # stands for the response that is cancelled
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    bench.reads.add()
    await bench.tick()
    assert bench.draws.drawn == []


def test_lines_of_a_fragment_are_lines_of_one_event() -> None:
    assert frame(Cursor(1, 2), [b"<a>\n<b>"]) == b"data: <a>\ndata: <b>\nid: 1-2\n\n"
    assert frame(None, [b"<tr>", b"<p>"]) == b"data: <tr>\n\ndata: <p>\n\n"
