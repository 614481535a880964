"""The fixtures that other tests stand on."""

from collections.abc import Iterator

import asyncpg
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stack.databases import Databases


async def test_a_test_gets_an_empty_database_that_it_owns(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0
        )
        await connection.execute("CREATE TABLE t (x int)")
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    finally:
        await connection.close()


@pytest.fixture
def prepared(databases: Databases) -> Iterator[tuple[str, list[str]]]:
    calls: list[str] = []
    template = databases.template("numbers", calls.append)
    assert databases.template("numbers", calls.append) == template
    with databases.fresh(template) as url:
        yield url, calls


async def test_a_template_is_prepared_once_and_cloned(prepared: tuple[str, list[str]]) -> None:
    url, calls = prepared
    assert len(calls) == 1
    connection = await asyncpg.connect(url)
    await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_valkey_database(valkey_url: str, turn: int) -> None:
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        assert await client.dbsize() == 0
        await client.set("turn", turn)
        assert (await client.config_get("appendfsync"))["appendfsync"] == "always"


async def test_records_pass_through_the_shared_broker(kafka_bootstrap: str, kafka_prefix: str) -> None:
    await _round_trip(kafka_bootstrap, f"{kafka_prefix}topic")


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_test_may_have_a_broker_of_its_own(own_kafka: str, turn: int) -> None:
    await _round_trip(own_kafka, "topic")


async def _round_trip(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    try:
        sent = await producer.send_and_wait(topic, b"value", key=b"key")
        await consumer.start()
        consumer.assign([TopicPartition(topic, sent.partition)])
        record = await consumer.getone()
        assert (record.offset, record.value) == (0, b"value")
    finally:
        await consumer.stop()
        await producer.stop()
