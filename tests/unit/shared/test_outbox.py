"""The relay of every outbox: what it promises whatever the outbox and the broker do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from shared.bus import BusUnavailable, Unpublishable
from shared.errors import Unavailable
from shared.events import Record
from shared.lifecycle import Tasks, Wakeup
from shared.outbox import BATCH, Pace, Relay, RelayMetrics, Waiting

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


class Hand:
    """A claim on rows of `Rows`."""

    def __init__(self, rows: "Rows", keys: Sequence[bytes]) -> None:
        self.rows, self.keys = rows, keys
        self.records = [Record("topic", key, b"value", ()) for key in keys]
        self.stated_at = [NOW - timedelta(seconds=1)] * len(keys)

    async def published(self, positions: Sequence[int], now: datetime) -> None:
        assert now == NOW
        for position in positions:
            self.rows.waiting_rows.remove(self.keys[position])

    async def refused(self, position: int, problem: str, now: datetime) -> None:
        assert now == NOW
        self.rows.waiting_rows.remove(self.keys[position])
        self.rows.parked[self.keys[position]] = problem


class Rows:
    """An outbox in memory."""

    def __init__(self, *keys: bytes) -> None:
        self.waiting_rows = list(keys)
        self.parked: dict[bytes, str] = {}
        self.cluster: str | None = None
        self.swept = 0
        self.steps = 0
        self.stepped = asyncio.Event()
        self.swept_again = asyncio.Event()
        self.failures: list[Exception] = []

    @asynccontextmanager
    async def claim(self, limit: int) -> AsyncIterator[Hand]:
        if self.failures:
            raise self.failures.pop()
        yield Hand(self, self.waiting_rows[:limit])
        self.steps += 1
        self.stepped.set()

    async def waiting(self) -> Waiting:
        oldest = NOW - timedelta(seconds=30) if self.waiting_rows else None
        return Waiting(len(self.waiting_rows), oldest, len(self.parked))

    async def meet(self, cluster_id: str, now: datetime) -> int:
        assert now == NOW
        known, self.cluster = self.cluster, cluster_id
        return 3 if known not in {None, cluster_id} else 0

    async def sweep(self, now: datetime) -> None:
        assert now == NOW
        self.swept += 1
        if self.swept > 1:
            self.swept_again.set()


class Broker:
    """Keeps calls; refuses what it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []
        self.too_large: set[bytes] = set()
        self.tells_position = True
        self.failures: list[Exception] = []
        self.cluster = "one"

    async def publish(self, records: Sequence[Record]) -> None:
        if self.failures:
            raise self.failures.pop()
        for position, record in enumerate(records):
            if record.key in self.too_large and self.tells_position:
                raise Unpublishable(problem="too large", position=position)
            if record.key in self.too_large:
                raise Unpublishable(problem="MessageSizeTooLargeError")
        self.calls.append([record.key for record in records])

    async def cluster_id(self) -> str:
        return self.cluster

    @property
    def keys(self) -> list[bytes]:
        return [key for call in self.calls for key in call]


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def metrics() -> CollectorRegistry:
    return CollectorRegistry()


def relay_of(
    rows: Rows, broker: Broker, metrics: CollectorRegistry, *, pace: Pace | None = None, wakeup: Wakeup | None = None
) -> Relay:
    return Relay(
        rows,
        broker,
        cluster_id=broker.cluster_id,
        wakeup=wakeup or Wakeup(),
        clock=lambda: NOW,
        metrics=RelayMetrics(metrics),
        pace=pace,
    )


async def test_a_step_publishes_in_one_call_and_marks(broker: Broker, metrics: CollectorRegistry) -> None:
    rows = Rows(b"1", b"2", b"3")
    assert await relay_of(rows, broker, metrics).step() == 3
    assert broker.calls == [[b"1", b"2", b"3"]]
    assert rows.waiting_rows == []
    assert metrics.get_sample_value("boothline_outbox_published_total") == 3
    assert metrics.get_sample_value("boothline_outbox_delay_seconds_sum") == 3.0


async def test_nothing_is_marked_while_the_broker_is_away(broker: Broker, metrics: CollectorRegistry) -> None:
    rows = Rows(b"1")
    broker.failures = [BusUnavailable()]
    with pytest.raises(BusUnavailable):
        await relay_of(rows, broker, metrics).step()
    assert rows.waiting_rows == [b"1"]


@pytest.mark.parametrize("tells_position", [True, False])
async def test_an_event_that_is_too_large_is_parked_and_the_others_go_out_in_order(
    broker: Broker, metrics: CollectorRegistry, tells_position: bool
) -> None:
    rows = Rows(b"1", b"large", b"2", b"huge", b"3")
    broker.too_large, broker.tells_position = {b"large", b"huge"}, tells_position
    assert await relay_of(rows, broker, metrics).step() == 5
    assert broker.keys == [b"1", b"2", b"3"]
    assert set(rows.parked) == {b"large", b"huge"}
    assert all("large" in problem.lower() for problem in rows.parked.values())
    assert rows.waiting_rows == []
    assert metrics.get_sample_value("boothline_outbox_refused_total") == 2
    assert metrics.get_sample_value("boothline_outbox_published_total") == 3


async def test_a_batch_of_nothing_but_too_large_events_ends(broker: Broker, metrics: CollectorRegistry) -> None:
    rows = Rows(b"1", b"2")
    broker.too_large = {b"1", b"2"}
    await relay_of(rows, broker, metrics).step()
    assert (broker.calls, rows.waiting_rows) == ([], [])


@pytest.mark.parametrize("problem", ["unknown topic", "TopicAuthorizationFailedError", "InvalidTopicError"])
async def test_what_somebody_can_put_right_is_waited_for(
    broker: Broker, metrics: CollectorRegistry, problem: str
) -> None:
    rows = Rows(b"1")
    broker.failures = [Unpublishable(problem=problem)]
    with pytest.raises(BusUnavailable):
        await relay_of(rows, broker, metrics).step()
    assert (rows.waiting_rows, rows.parked) == ([b"1"], {})


async def test_the_gauges_tell_what_waits_since_when_and_what_is_parked(
    broker: Broker, metrics: CollectorRegistry
) -> None:
    rows = Rows(b"1", b"2")
    rows.parked = {b"0": "too large"}
    await relay_of(rows, broker, metrics).measure()
    assert metrics.get_sample_value("boothline_outbox_waiting") == 2
    assert metrics.get_sample_value("boothline_outbox_oldest_seconds") == 30
    assert metrics.get_sample_value("boothline_outbox_parked") == 1


async def test_a_commit_wakes_the_relay_and_a_burst_of_commits_is_one_step(
    broker: Broker, metrics: CollectorRegistry
) -> None:
    rows, wakeup = Rows(), Wakeup()
    relay = relay_of(rows, broker, metrics, pace=Pace(spacing=0.2, poll=60), wakeup=wakeup)
    async with Tasks() as tasks, asyncio.timeout(30):
        tasks.spawn(relay.run(), "relay")
        await rows.stepped.wait()
        rows.stepped.clear()
        for number in range(10):
            rows.waiting_rows.append(b"%d" % number)
            wakeup.wake()
        await rows.stepped.wait()
    assert [len(call) for call in broker.calls] == [10]


async def test_a_full_batch_is_followed_by_the_next_one_at_once(broker: Broker, metrics: CollectorRegistry) -> None:
    rows = Rows(*(b"%d" % number for number in range(BATCH + 1)))
    relay = relay_of(rows, broker, metrics, pace=Pace(spacing=3600, poll=3600))
    async with Tasks() as tasks, asyncio.timeout(30):
        tasks.spawn(relay.run(), "relay")
        while rows.waiting_rows:
            rows.stepped.clear()
            await rows.stepped.wait()
    assert [len(call) for call in broker.calls] == [BATCH, 1]


async def test_an_outage_is_waited_out(broker: Broker, metrics: CollectorRegistry) -> None:
    rows = Rows(b"1")
    rows.failures = [Unavailable(), Unavailable()]
    broker.failures = [BusUnavailable()]
    relay = relay_of(rows, broker, metrics, pace=Pace(pause=0.0))
    async with Tasks() as tasks, asyncio.timeout(30):
        tasks.spawn(relay.run(), "relay")
        await rows.stepped.wait()
    assert broker.keys == [b"1"]


async def test_another_broker_is_told_again_and_the_relay_looks_at_once(
    broker: Broker, metrics: CollectorRegistry
) -> None:
    rows, wakeup = Rows(), Wakeup()
    relay = relay_of(rows, broker, metrics, wakeup=wakeup)
    assert await relay.meet_broker() == 0
    broker.cluster = "two"
    assert await relay.meet_broker() == 3
    async with asyncio.timeout(30):
        await wakeup.wait(60)


async def test_housekeeping_goes_on_after_an_outage_and_sweeps_now_and_then(
    broker: Broker, metrics: CollectorRegistry
) -> None:
    rows, failures = Rows(), [BusUnavailable()]

    async def cluster_id() -> str:
        if rows.swept and failures:
            raise failures.pop()
        return "one"

    broker.cluster_id = cluster_id  # type: ignore[method-assign]
    relay = relay_of(rows, broker, metrics, pace=Pace(watch=0.0, sweep=0.0))
    async with Tasks() as tasks, asyncio.timeout(30):
        tasks.spawn(relay.watch(), "watch")
        await rows.swept_again.wait()
    assert failures == []
