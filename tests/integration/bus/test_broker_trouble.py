"""A broker that dies, freezes, or comes back empty."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from shared.bus import BusUnavailable, Consumer, Producer, cluster_id
from shared.clock import utc_now
from shared.events import PersonErased, encode
from tests.contract.bus.scenery import Heard, erased, until
from tests.integration.bus.conftest import MortalBroker

pytestmark = pytest.mark.timeout(900)


async def _consumer(mortal: MortalBroker, stack: AsyncExitStack, heard: Heard) -> Consumer:
    consumer = Consumer(mortal.connection, "group", {PersonErased: heard}, clock=utc_now, drain_timeout=2.0)
    await stack.enter_async_context(consumer)
    await consumer.joined()
    return consumer


async def test_invariant_10_publishing_to_a_dead_broker_fails_within_its_time_out(mortal: MortalBroker) -> None:
    async with Producer(mortal.connection) as producer:
        await _publish(producer, erased(1))
        mortal.kill()
        async with asyncio.timeout(60):
            with pytest.raises(BusUnavailable):
                await producer.publish([encode(erased(2))])
        async with asyncio.timeout(60):
            with pytest.raises(BusUnavailable):
                await producer.publish([encode(erased(3))])


async def test_invariant_10_a_frozen_broker_costs_the_time_out_and_publishing_goes_on_after_it(
    mortal: MortalBroker,
) -> None:
    async with Producer(mortal.connection) as producer:
        await _publish(producer, erased(1))
        mortal.freeze()
        async with asyncio.timeout(60):
            with pytest.raises(BusUnavailable):
                await producer.publish([encode(erased(2))])
        mortal.thaw()
        await _publish(producer, erased(3))  # Apache Kafka lets a node that was away for 3 s in anew


async def test_invariant_09_a_stop_after_the_death_of_the_broker_ends_in_bounded_time_and_raises_nothing(
    mortal: MortalBroker,
) -> None:
    heard = Heard()
    async with AsyncExitStack() as stack, Producer(mortal.connection) as producer:
        consumer = await _consumer(mortal, stack, heard)
        await _publish(producer, *map(erased, range(100)))
        await until(lambda: len({*heard.finished}) == 100)
        mortal.kill()
        async with asyncio.timeout(90):
            await consumer.stop()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_invariant_21_and_22_after_the_broker_came_back_empty_the_same_producer_and_consumer_go_on(
    mortal: MortalBroker, stack: AsyncExitStack
) -> None:
    heard = Heard()
    producer = await stack.enter_async_context(Producer(mortal.connection))
    await _consumer(mortal, stack, heard)
    await _publish(producer, erased("before"))
    await until(lambda: 1 in heard.versions("before"))
    first = await cluster_id(mortal.connection)
    mortal.kill()
    with pytest.raises(BusUnavailable):
        await producer.publish([encode(erased("during"))])
    await mortal.start()
    assert await cluster_id(mortal.connection) != first
    await _publish(producer, erased("before", 2))  # into the partition where the old broker's offsets were ahead
    await until(lambda: 2 in heard.versions("before"), seconds=120)


async def _publish(producer: Producer, *events: PersonErased) -> None:
    """Again and again, as a relay does: two seconds are over soon on a machine that pauses."""
    async with asyncio.timeout(120):
        while True:
            try:
                await producer.publish([encode(event) for event in events])
            except BusUnavailable:
                continue
            return


async def test_a_consumer_that_starts_before_its_broker_joins_as_soon_as_there_is_one(
    mortal: MortalBroker, stack: AsyncExitStack
) -> None:
    mortal.kill()
    heard = Heard()
    consumer = Consumer(mortal.connection, "group", {PersonErased: heard}, clock=utc_now, drain_timeout=2.0)
    await stack.enter_async_context(consumer)
    await until(lambda: consumer.health.problem == "broker")
    assert not consumer.health.ready
    await mortal.start()
    await until(lambda: consumer.health.ready)
