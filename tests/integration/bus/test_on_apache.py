"""What only Apache Kafka can show: transactions, sequence numbers, offsets as another client sees them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec, ResourceType

from shared.bus import (
    BusUnavailable,
    Connection,
    Consumer,
    Outgoing,
    Place,
    Producer,
    Received,
    Unpublishable,
    delete_topics,
    ensure_topics,
)
from shared.clock import utc_now
from shared.events import PEOPLE, PersonErased, encode
from shared.events.codec import Record
from tests.contract.bus.scenery import Heard, erased, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

GROUP = "group"


async def _consumer(connection: Connection, stack: AsyncExitStack, heard: Heard) -> Consumer:
    consumer = Consumer(connection, GROUP, {PersonErased: heard}, clock=utc_now)
    await stack.enter_async_context(consumer)
    await consumer.joined()
    return consumer


async def _written(connection: Connection, key: str) -> list[Received]:
    everything = [record async for record in connection.reader().read([PEOPLE])]
    return [record for record in everything if record.key == key.encode()]


async def test_invariant_21_a_producer_whose_sequence_is_broken_is_made_anew_and_the_order_is_kept(
    connection: Connection, producer: Producer
) -> None:
    await producer.publish([encode(erased("a", 1))])
    broken = producer._publisher
    numbers = broken._producer._txn_manager._sequence_numbers  # type: ignore[union-attr]
    for partition in tuple(numbers):
        numbers[partition] += 1000  # the broker answers OutOfOrderSequenceNumber
    with pytest.raises(BusUnavailable):
        await producer.publish([encode(erased("a", 2)), encode(erased("a", 3))])
    assert producer._publisher is not broken
    await producer.publish([encode(erased("a", 2)), encode(erased("a", 3))])  # as the outbox does
    await producer.publish([encode(erased("a", 4))])
    values = [record.value for record in await _written(connection, erased("a").key)]
    assert values == [encode(erased("a", version)).value for version in (1, 2, 3, 4)]


async def test_invariant_19_markers_of_transactions_do_not_stall_and_what_was_aborted_is_not_heard(
    connection: Connection, producer: Producer, stack: AsyncExitStack
) -> None:
    heard = Heard()
    transactional = AIOKafkaProducer(bootstrap_servers=connection.bootstrap, transactional_id="somebody")
    await transactional.start()
    try:
        for number in range(5):
            for ends in ("commit", "abort"):
                await transactional.begin_transaction()
                await _send(transactional, encode(erased(f"{ends} {number}")))
                await (transactional.commit_transaction() if ends == "commit" else transactional.abort_transaction())
    finally:
        await transactional.stop()
    await producer.publish([encode(erased(f"plain {number}")) for number in range(20)])
    await _consumer(connection, stack, heard)
    await until(lambda: len(heard.finished) >= 25)
    aborted = {erased(f"abort {number}").key.encode() for number in range(5)}
    everything = [record async for record in connection.reader().read([PEOPLE])]
    last = {record.place: record.offset for record in everything if record.key not in aborted}
    async with connection.reader() as reader, asyncio.timeout(90):
        while True:
            committed = await reader.committed(GROUP, [PEOPLE])
            if all(committed.get(place, 0) > offset for place, offset in last.items()):
                break
            await asyncio.sleep(0.05)
    assert len(everything) == 30
    assert all(heard.versions(f"commit {number}") == [1] for number in range(5))
    assert not any(heard.versions(f"abort {number}") for number in range(5))
    assert len(heard.finished) == 25


async def _send(transactional: AIOKafkaProducer, record: Record) -> None:
    await transactional.send_and_wait(
        record.topic, record.value, key=record.key, headers=[(name, value or b"") for name, value in record.headers]
    )


async def test_invariant_19_a_record_without_value_becomes_a_dead_letter_without_value(
    connection: Connection, producer: Producer, stack: AsyncExitStack
) -> None:
    heard = Heard()
    await producer.send([Outgoing(PEOPLE.name, b"k", None, encode(erased(1)).headers)])
    await producer.publish([encode(erased(2))])
    await _consumer(connection, stack, heard)
    await until(lambda: heard.versions(2) == [1])
    async with asyncio.timeout(90):
        while not (letters := [record async for record in connection.reader().read([PEOPLE.dead])]):  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.05)
    assert [letter.value for letter in letters] == [None]


async def test_invariant_24_our_lag_is_what_another_client_computes_from_the_broker_s_own_offsets(
    connection: Connection, producer: Producer, stack: AsyncExitStack
) -> None:
    heard = Heard()
    heard.gate.clear()
    heard.blocked = {erased(f"stuck {number}").subject for number in range(3)}
    for number in range(3):
        await producer.publish([encode(erased(f"stuck {number}"))])
    await producer.publish([encode(erased(number)) for number in range(500)])
    await _consumer(connection, stack, heard)
    await until(lambda: len(heard.finished) == 500)
    assert await _agreed(connection) >= 3
    heard.gate.set()
    async with asyncio.timeout(90):
        while await _agreed(connection) > 0:  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.1)


async def _agreed(connection: Connection) -> int:
    """The lag, once both say the same about every partition: commits come between their looks."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(90), connection.reader() as reader:
        while True:
            theirs = await loop.run_in_executor(None, _lag_elsewhere, connection.bootstrap)
            ours = {lag.place: lag.records for lag in await reader.lags({GROUP: [PEOPLE]})}
            if ours == theirs:
                return sum(ours.values())
            await asyncio.sleep(0.1)


def _lag_elsewhere(bootstrap: str) -> dict[Place, int]:
    """As kminion computes it: ListOffsets LATEST minus OffsetFetch, both of another client library."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    partitions = [TopicPartition(PEOPLE.name, number) for number in range(PEOPLE.partitions)]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the library leaves it unannotated
    ends = {p: found.result().offset for p, found in admin.list_offsets(dict.fromkeys(partitions, latest)).items()}
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP, partitions)])
    committed = {(p.topic, p.partition): p.offset for p in asked[GROUP].result().topic_partitions}
    return {Place(p.topic, p.partition): end - max(0, committed[p.topic, p.partition]) for p, end in ends.items()}


async def test_invariant_04_a_dead_letter_topic_that_is_missing_is_waited_for(
    connection: Connection, producer: Producer, stack: AsyncExitStack
) -> None:
    heard = Heard()
    await delete_topics(connection, [PEOPLE.dead])
    consumer = await _consumer(replace(connection, delivery_timeout=10.0), stack, heard)
    await producer.send([Outgoing(PEOPLE.name, b"k", b"{", encode(erased(1)).headers)])
    await producer.publish([encode(erased(2))])
    await until(lambda: heard.versions(2) == [1])
    await until(lambda: consumer.health.problem == "dead_letter_unwritten")
    assert not consumer.health.ready
    assert await _committed(connection, 1)
    await ensure_topics(connection, [PEOPLE.dead])
    assert await _committed(connection, 2)
    assert len([record async for record in connection.reader().read([PEOPLE.dead])]) == 1


async def test_invariant_04_a_dead_letter_topic_that_takes_only_small_records_holds_the_large_one_until_it_takes_it(
    connection: Connection, producer: Producer, stack: AsyncExitStack
) -> None:
    heard, loop = Heard(), asyncio.get_running_loop()
    await loop.run_in_executor(None, _limit, connection.bootstrap, "2000")
    await _in_force(producer)
    await producer.send([Outgoing(PEOPLE.name, b"k", b"{" * 1_000_000, encode(erased(1)).headers)])
    consumer = await _consumer(connection, stack, heard)
    await until(lambda: consumer.health.waiting_for == "unpublishable")
    assert (consumer.health.problem, consumer.health.ready) == ("dead_letter_unwritten", False)
    await producer.publish([encode(erased(2))])
    await until(lambda: heard.versions(2) == [1])
    assert await _committed(connection, 1)
    await loop.run_in_executor(None, _limit, connection.bootstrap, "1114124")
    assert await _committed(connection, 2)
    letters = [record.value async for record in connection.reader().read([PEOPLE.dead]) if record.key == b"k"]
    assert letters == [b"{" * 1_000_000]
    await until(lambda: consumer.health.ready)


async def _in_force(producer: Producer) -> None:
    """The limit is known before it holds."""
    async with asyncio.timeout(90):
        while True:
            try:
                await producer.send([Outgoing(PEOPLE.dead.name, b"probe", b"." * 5000, ())])
            except Unpublishable:
                return
            await asyncio.sleep(0.05)


def _limit(bootstrap: str, size: str) -> None:
    entry = ConfigEntry("max.message.bytes", size, incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, PEOPLE.dead.name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for done in admin.incremental_alter_configs([topic]).values():
        done.result()


async def _committed(connection: Connection, count: int) -> bool:
    """Whether the group has committed so many records, at last."""
    async with asyncio.timeout(90), connection.reader() as reader:
        while sum((await reader.committed(GROUP, [PEOPLE])).values()) != count:  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.1)
    return True
