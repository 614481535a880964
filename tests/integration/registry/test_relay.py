"""The outbox and its relays: nothing is lost, repeats carry the same event id."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.registry.domain.names import Name
from services.registry.domain.portal import START
from services.registry.store.portal import PortalReads
from services.registry.store.relaying import KEEP_ANNOUNCED, KEEP_DELIVERIES, KEEP_EVENTS, OutboxStore
from shared.bus import BusUnavailable, Unpublishable
from shared.events import Record
from shared.lifecycle import Tasks, Wakeup
from shared.outbox import Pace, Relay, RelayMetrics
from tests.integration.registry.conftest import ADVISORY, NOW, Registry, command, everything_shows, somebody_waits


class Broker:
    """Keeps what is published; fails or waits where a test says so."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures: list[Exception] = []
        self.poison: bytes | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.cluster = "one"

    async def publish(self, records: Sequence[Record]) -> None:
        self.entered.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        if any(record.key == self.poison for record in records):
            raise Unpublishable(problem="too large")
        self.records += records

    async def cluster_id(self) -> str:
        return self.cluster

    @property
    def ids(self) -> list[bytes | None]:
        return [dict(record.headers)["ce_id"] for record in self.records]


@pytest.fixture
def broker() -> Broker:
    return Broker()


def relay_of(registry: Registry, broker: Broker, wakeup: Wakeup | None = None, pace: Pace | None = None) -> Relay:
    return Relay(
        OutboxStore(registry.database),
        broker,
        cluster_id=broker.cluster_id,
        wakeup=wakeup or Wakeup(),
        clock=lambda: NOW,
        metrics=RelayMetrics(CollectorRegistry()),
        pace=pace,
    )


async def record(registry: Registry, booth: int = 1) -> None:
    one = command(unit=f"1-{booth}", phone=f"+91555000010{booth}", name=Name(None, f"Person {'abcd'[booth]}"))
    await registry.service.recording.record(registry.principal, one, None, NOW)


async def waiting(registry: Registry) -> int:
    return len(await registry.rows("SELECT 1 FROM outbox WHERE published_at IS NULL"))


async def test_a_committed_event_is_published_once_with_its_trace(registry: Registry, broker: Broker) -> None:
    await record(registry)
    relay = relay_of(registry, broker)
    assert await relay.step() == 1
    assert await relay.step() == 0
    assert [record.topic for record in broker.records] == ["registry.appointments"]
    assert dict(broker.records[0].headers)["ce_type"] == b"appointment.recorded.v1"


async def test_a_commit_wakes_the_relay(registry: Registry, broker: Broker) -> None:
    async with Tasks() as tasks, asyncio.timeout(60):
        tasks.spawn(relay_of(registry, broker, registry.wakeup, Pace(poll=3600)).run(), "relay")
        for booth in (1, 2, 3):
            await record(registry, booth)
            await broker.entered.wait()
            broker.entered.clear()
    assert len(set(broker.ids)) == 3


async def test_a_relay_killed_between_publishing_and_marking_repeats_the_same_event_id(
    registry: Registry, broker: Broker
) -> None:
    await record(registry)
    killed = relay_of(registry, broker)

    async def publish_and_die(records: Sequence[Record]) -> None:
        broker.records += records
        raise asyncio.CancelledError

    killed._producer = type("Dying", (), {"publish": staticmethod(publish_and_die)})()
    with suppress(asyncio.CancelledError):
        await killed.step()
    assert await waiting(registry) == 1
    await relay_of(registry, broker).step()
    assert len(broker.ids) == 2
    assert len(set(broker.ids)) == 1
    assert await waiting(registry) == 0


async def test_of_two_relays_one_publishes_at_a_time_and_each_event_goes_out_once(
    registry: Registry, broker: Broker
) -> None:
    await asyncio.gather(*(record(registry, booth) for booth in (1, 2)))
    broker.gate.clear()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first = group.create_task(relay_of(registry, broker).step())
        await broker.entered.wait()
        second = group.create_task(relay_of(registry, broker).step())
        await somebody_waits(registry)
        await record(registry, 3)
        broker.gate.set()
    assert (first.result(), second.result()) == (2, 1)
    assert Counter(Counter(broker.ids).values()) == {1: 3}


async def test_a_broker_that_does_not_answer_keeps_no_change_from_open_pages(
    registry: Registry, broker: Broker
) -> None:
    """A transaction with a number would hide every later change from readers until the broker answers."""
    await record(registry, 1)
    broker.gate.clear()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(relay_of(registry, broker).step())
        await broker.entered.wait()
        await record(registry, 2)
        await everything_shows(registry)
        changes = await PortalReads(registry.database).changes(START, 10)
        broker.gate.set()
    assert [change.kind for change in changes] == ["recorded", "recorded"]


async def test_a_transaction_that_commits_late_is_not_skipped(registry: Registry, broker: Broker) -> None:
    """Its row has a lower id than rows that were published long before."""
    async with registry.database._pool.acquire() as connection:
        slow = connection.transaction()
        await slow.start()
        await connection.execute(
            "INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, created_at)"
            " VALUES (gen_random_uuid(), $1, true, 't', 'late', 'v', '[]', $2)",
            registry.settings.organisation_id, NOW,
        )  # fmt: skip
        await record(registry)
        relay = relay_of(registry, broker)
        assert await relay.step() == 1
        await slow.commit()
    assert await relay.step() == 1
    assert broker.records[-1].key == b"late"


async def test_nothing_is_marked_while_the_broker_is_away(registry: Registry, broker: Broker) -> None:
    await record(registry)
    broker.failures = [BusUnavailable()]
    relay = relay_of(registry, broker)
    with pytest.raises(BusUnavailable):
        await relay.step()
    assert await waiting(registry) == 1
    assert await relay.step() == 1


async def test_a_relay_whose_broker_fails_leaves_the_outbox_to_another(registry: Registry, broker: Broker) -> None:
    await record(registry)
    broker.failures = [BusUnavailable()]
    with pytest.raises(BusUnavailable):
        await relay_of(registry, broker).step()
    assert await registry.rows(f"SELECT FROM pg_locks WHERE {ADVISORY}") == []
    assert await relay_of(registry, broker).step() == 1


async def test_missing_topics_are_waited_for(registry: Registry, broker: Broker) -> None:
    await record(registry)
    broker.failures = [Unpublishable(problem="unknown topic")]
    with pytest.raises(BusUnavailable):
        await relay_of(registry, broker).step()
    assert await waiting(registry) == 1


async def test_a_record_that_the_broker_never_takes_holds_up_no_other(registry: Registry, broker: Broker) -> None:
    for booth in (1, 2, 3):
        await record(registry, booth)
    [first, *_] = await registry.rows("SELECT key FROM outbox ORDER BY id")
    broker.poison = first["key"]
    await relay_of(registry, broker).step()
    assert len(broker.records) == 2
    assert [row["refused"] is not None for row in await registry.rows("SELECT refused FROM outbox ORDER BY id")] == [
        True, False, False,
    ]  # fmt: skip


async def test_urgent_events_overtake_announcements(registry: Registry, broker: Broker) -> None:
    await registry.run(
        "INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, created_at)"
        " SELECT gen_random_uuid(), $1, false, 'notifier.bulk', 'k', 'v', '[]', $2 FROM generate_series(1, 300)",
        registry.settings.organisation_id,
        NOW,
    )
    await record(registry)
    await relay_of(registry, broker).step()
    assert broker.records[0].topic == "registry.appointments"


async def test_another_broker_gets_the_last_seven_days_again_once(registry: Registry, broker: Broker) -> None:
    await record(registry)
    relay = relay_of(registry, broker)
    assert await relay.meet_broker() == 0
    await relay.step()
    await registry.run(
        "INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, created_at, published_at)"
        " VALUES (gen_random_uuid(), $1, true, 't', 'old', 'v', '[]', $2, $2)",
        registry.settings.organisation_id,
        NOW - KEEP_EVENTS - timedelta(minutes=1),
    )
    assert await relay.meet_broker() == 0
    broker.cluster = "two"
    counts = await asyncio.gather(relay.meet_broker(), relay_of(registry, broker).meet_broker())
    assert sorted(counts) == [0, 1]
    await relay.step()
    assert len(broker.ids) == 2
    assert len(set(broker.ids)) == 1


async def test_operators_can_publish_again(registry: Registry, broker: Broker) -> None:
    await record(registry)
    relay = relay_of(registry, broker)
    await relay.step()
    assert await registry.service.operating.republish(registry.principal, NOW - timedelta(hours=1)) == 1
    assert await relay.step() == 1


async def test_the_sweep_forgets_old_events_and_keeps_what_waits(registry: Registry, broker: Broker) -> None:
    await record(registry, 1)
    await relay_of(registry, broker).step()
    await record(registry, 2)
    await OutboxStore(registry.database).sweep(NOW + KEEP_EVENTS + timedelta(seconds=1))
    assert len(await registry.rows("SELECT 1 FROM outbox")) == 1
    assert await waiting(registry) == 1


async def test_a_parked_event_stays_and_is_counted_until_somebody_has_seen_to_it(
    registry: Registry, broker: Broker
) -> None:
    await record(registry)
    [row] = await registry.rows("SELECT key FROM outbox")
    broker.poison = row["key"]
    await relay_of(registry, broker).step()
    store = OutboxStore(registry.database)
    await store.sweep(NOW + KEEP_EVENTS + timedelta(seconds=1))
    waiting = await store.waiting()
    assert (waiting.rows, waiting.parked) == (0, 1)


async def test_deliveries_are_forgotten_after_their_events_announcements_sooner(registry: Registry) -> None:
    await registry.run(
        "INSERT INTO delivery (message_id, organisation_id, lane, template, channel, provider, state, attempt, version,"
        " at) SELECT gen_random_uuid(), $1, 'bulk', template, 'sms', 'p', 'accepted', 1, 1, $2"
        " FROM unnest('{invitation,announcement}'::text[]) template",
        registry.settings.organisation_id,
        NOW,
    )
    store, second = OutboxStore(registry.database), timedelta(seconds=1)
    for age, left in ((KEEP_ANNOUNCED - second, 2), (KEEP_ANNOUNCED + second, 1), (KEEP_DELIVERIES + second, 0)):
        await store.sweep(NOW + age)
        assert len(await registry.rows("SELECT FROM delivery")) == left


@pytest.fixture
async def slow_writer(registry: Registry) -> AsyncIterator[object]:
    async with registry.database._pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO change (organisation_id, kind, at) VALUES ($1, 'late', $2)",
            registry.settings.organisation_id, NOW,
        )  # fmt: skip
        yield transaction
        with suppress(Exception):
            await transaction.rollback()


async def test_a_reader_of_changes_waits_for_the_transaction_that_commits_late(
    registry: Registry, slow_writer: object
) -> None:
    reads = PortalReads(registry.database)
    await record(registry)
    assert await reads.changes(START, 100) == []
    await slow_writer.commit()  # type: ignore[attr-defined] # asyncpg's transaction
    await everything_shows(registry)
    assert [change.kind for change in await reads.changes(START, 100)] == ["late", "recorded"]
