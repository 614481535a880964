"""The outbox: everything stated reaches the topics, urgent events first, and again when the broker forgets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from services.notifier.store.outbox import LEASE, Outbox
from services.notifier.store.retention import Retention
from shared.bus import BusUnavailable, MemoryBroker, Producer, Unpublishable
from shared.events import DELIVERIES, Lane, Record
from shared.lifecycle import Tasks, Wakeup
from shared.outbox import Pace, Publishes, Relay, RelayMetrics
from tests.integration.notifier.engine import CONNECTIONS, Engine, engine, until


class Cluster:
    """A broker's id."""

    def __init__(self) -> None:
        self.id = "one"

    async def __call__(self) -> str:
        return self.id


def relay(e: Engine, publisher: Publishes, cluster: Cluster | None = None) -> Relay:
    return Relay(
        Outbox(e.database, e.clock), publisher, cluster_id=cluster or Cluster(), wakeup=Wakeup(), clock=e.clock,
        metrics=RelayMetrics(CollectorRegistry()), pace=Pace(poll=0.05, pause=0.05),
    )  # fmt: skip


@asynccontextmanager
async def running(e: Engine, broker: MemoryBroker) -> AsyncIterator[Relay]:
    async with Producer(broker) as producer, Tasks() as tasks:
        made = relay(e, producer)
        tasks.spawn(made.run(), "relay")
        yield made


async def send(e: Engine, count: int, lane: Lane = Lane.URGENT) -> None:
    """Messages with an outcome each."""
    make = e.asking.invitation if lane is Lane.URGENT else e.asking.announcement
    messages = [await e.request(make()) for _ in range(count)]
    async with e.sender(lane, workers=16):
        for message in messages:
            await e.reaches(message, "accepted")


async def test_what_is_stated_is_published_once_by_several_relays(notifier_url: str) -> None:
    broker = MemoryBroker()
    async with engine(notifier_url) as e:
        await send(e, 60)
        async with running(e, broker), running(e, broker):

            async def marked() -> bool:  # what is not is given back when its relay ends, and published again
                return (await Outbox(e.database, e.clock).waiting()).rows == 0

            await until(marked)
        ids = [dict(record.headers)["ce_id"] for record in broker.records(DELIVERIES.name)]
        assert len(set(ids)) == len(ids) == 60


async def test_a_broker_that_is_down_costs_nothing_but_time(notifier_url: str) -> None:
    broker = MemoryBroker()
    broker.refuses_records = True
    async with engine(notifier_url) as e, Producer(broker) as producer, Tasks() as tasks:
        tries = 0

        class Counting:
            async def publish(self, records: Sequence[Record]) -> None:
                """Counted."""
                nonlocal tries
                tries += 1
                await producer.publish(records)

        await send(e, 5)
        tasks.spawn(relay(e, Counting()).run(), "relay")

        async def tried() -> bool:
            return tries > 0

        await until(tried)
        assert not broker.records(DELIVERIES.name)
        broker.refuses_records = False

        async def published() -> bool:
            return len(broker.records(DELIVERIES.name)) == 5

        await until(published)


async def test_urgent_events_leave_before_a_broadcasts(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await send(e, 5, Lane.BULK)
        await send(e, 2)
        async with Outbox(e.database, e.clock).claim(3) as claimed:
            assert [b'"lane":"urgent"' in record.value for record in claimed.records] == [True, True, False]


async def test_what_a_killed_relay_had_in_hand_is_free_again_after_its_lease(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await send(e, 3)
        outbox = Outbox(e.database, e.clock)
        async with outbox.claim(10) as claimed:
            assert len(claimed.records) == 3
        async with outbox.claim(10) as nothing:
            assert not nothing.records
        e.move(LEASE.total_seconds() + 1)
        async with outbox.claim(10) as again:
            assert again.records == claimed.records


async def test_what_a_relay_could_not_publish_is_free_at_once(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await send(e, 3)
        outbox = Outbox(e.database, e.clock)
        with pytest.raises(BusUnavailable):
            async with outbox.claim(10):
                raise BusUnavailable
        async with outbox.claim(10) as again:
            assert len(again.records) == 3


async def test_no_connection_is_held_while_the_broker_is_being_asked(notifier_url: str) -> None:
    async with engine(notifier_url) as e, AsyncExitStack() as stack, asyncio.timeout(60):
        await send(e, 3)
        await stack.enter_async_context(Outbox(e.database, e.clock).claim(10))
        for _ in range(CONNECTIONS):
            await stack.enter_async_context(e.database.connection())


async def test_events_that_only_a_newer_version_knows_are_left_to_it(notifier_url: str) -> None:
    broker = MemoryBroker()
    async with engine(notifier_url) as e, Producer(broker) as producer:
        await send(e, 3)
        async with e.database.connection() as db:
            await db.execute(
                "UPDATE outbox SET type = 'delivery.teleported.v1' WHERE id = (SELECT min(id) FROM outbox)"
            )
            await db.execute("UPDATE outbox SET body = '{}' WHERE id = (SELECT max(id) FROM outbox)")
        assert await relay(e, producer).step() == 1
        assert len(broker.records(DELIVERIES.name)) == 1
        assert (await Outbox(e.database, e.clock).waiting()).rows == 2


async def test_another_broker_is_told_everything_again_once(notifier_url: str) -> None:
    cluster = Cluster()
    async with engine(notifier_url) as e:
        await send(e, 3)
        broker = MemoryBroker()
        async with Producer(broker) as producer:
            made = relay(e, producer, cluster)
            assert await made.meet_broker() == 0
            assert await made.step() == 3
            assert await made.meet_broker() == 0
            cluster.id = "two"
            assert await made.meet_broker() == 3
            assert await made.meet_broker() == 0
            assert await made.step() == 3


async def test_one_event_that_the_broker_never_takes_does_not_stop_the_others(notifier_url: str) -> None:
    taken: list[Record] = []

    class Picky:
        async def publish(self, records: Sequence[Record]) -> None:
            """Refuses the first event."""
            if any(record.value == first for record in records):
                raise Unpublishable(problem="too large")
            taken.extend(records)

    async with engine(notifier_url) as e:
        await send(e, 3)
        first = (await e.stated())[0].model_dump_json().encode()
        async with Tasks() as tasks:
            tasks.spawn(relay(e, Picky()).run(), "relay")

            async def done() -> bool:
                return (await Outbox(e.database, e.clock).waiting()).rows == 0

            await until(done)
        assert len(taken) == 2
        assert (await Outbox(e.database, e.clock).waiting()).parked == 1


async def test_what_is_over_is_swept(notifier_url: str) -> None:
    async with engine(notifier_url) as e:
        await send(e, 2)
        async with Producer(MemoryBroker()) as producer:
            assert await relay(e, producer).step() == 2
        retention = Retention(e.database)
        assert await retention.sweep(e.clock()) == 0
        e.move(8 * 86400)
        assert await retention.sweep(e.clock()) == 2
        e.move(53 * 86400)
        await retention.sweep(e.clock())
        async with e.database.connection() as db:
            assert await db.fetchval("SELECT count(*) FROM message") == 0
            assert await db.fetchval("SELECT count(*) FROM invitation") == 0
