"""Topics as the contract says, on a real broker."""

import asyncio

import pytest

from shared.bus import (
    ALL_TOPICS,
    BusUnavailable,
    Connection,
    Consumer,
    Producer,
    TopicUnfit,
    cluster_id,
    delete_topics,
    ensure_topics,
)
from shared.bus.__main__ import main
from shared.clock import utc_now
from shared.events import TOPICS, PersonErased, Topic
from tests.contract.bus.scenery import Heard, erased, outgoing, until


async def test_all_topics_are_made_once_and_fit_afterwards(bare: Connection) -> None:
    assert set(await ensure_topics(bare)) == {topic.name for topic in ALL_TOPICS}
    assert await ensure_topics(bare) == []
    async with bare.reader() as reader:
        found = await reader.topics()
    assert {name: found[name] for name in found if not name.startswith("_")} == {
        topic.name: topic.partitions for topic in ALL_TOPICS
    }
    assert {f"{topic.name}.dead" for topic in TOPICS} <= found.keys()


async def test_several_may_make_them_at_once(bare: Connection) -> None:
    made = await asyncio.gather(*(ensure_topics(bare) for _ in range(4)))
    assert {name for names in made for name in names} == {topic.name for topic in ALL_TOPICS}


async def test_a_topic_with_other_partitions_is_named(bare: Connection) -> None:
    await ensure_topics(bare, [Topic("registry.people", "registry", partitions=3)])
    with pytest.raises(TopicUnfit, match=r"registry\.people does not fit the contract: 3 partitions instead of 12"):
        await ensure_topics(bare)


async def test_a_consumer_hears_all_partitions_also_where_there_are_more_than_in_the_contract(bare: Connection) -> None:
    fewer, more = (Topic("registry.people", "registry", partitions=count) for count in (2, 6))
    await ensure_topics(bare, [more, more.dead])
    heard = Heard()
    consumer = Consumer(bare, "group", {PersonErased: heard}, clock=utc_now, topics=(fewer,))
    async with Producer(bare) as producer, consumer:
        await producer.send([outgoing(erased(key), more.name) for key in range(50)])
        await until(lambda: len({*heard.finished}) == 50)
        await until(lambda: consumer.health.partitions == 6)


async def test_topics_can_be_deleted_and_made_again(bare: Connection) -> None:
    await ensure_topics(bare)
    await delete_topics(bare)
    await delete_topics(bare)
    assert len(await ensure_topics(bare)) == len(ALL_TOPICS)


async def test_the_cluster_id_tells_brokers_apart(kafka_bootstrap: str, new_tansu: str) -> None:
    ids = {await cluster_id(Connection(at, "tests", ephemeral=True)) for at in (kafka_bootstrap, new_tansu, new_tansu)}
    assert len(ids) == 2


async def test_no_broker_is_a_clear_failure() -> None:
    with pytest.raises(BusUnavailable):
        await ensure_topics(Connection("127.0.0.1:1", "tests"))


def test_the_command_line_makes_and_checks_topics(bare: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["topics", "--kafka", bare.bootstrap, *(["--ephemeral"] if bare.ephemeral else [])]
    assert main([*told, "--check"]) == 3
    assert capsys.readouterr().out.splitlines() == [f"{topic.name}: missing" for topic in ALL_TOPICS]
    assert main(told) == 0
    assert capsys.readouterr().out.splitlines()[:1] == ["registry.appointments: made"]
    for again in (told, [*told, "--check"]):
        assert main(again) == 0
        assert capsys.readouterr().out == "14 topics fit the contract\n"
    assert main(["topics", "--kafka", "127.0.0.1:1"]) == 1
    assert "does not answer" in capsys.readouterr().err
