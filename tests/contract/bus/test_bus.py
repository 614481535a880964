"""What the bus promises, on memory and on a real broker alike."""

import asyncio
from collections import Counter
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

import pytest

from shared.bus import BusUnavailable, Consumer, DeadLetter, Outgoing, Received, TopicUnfit, Unpublishable
from shared.bus.connection import MAX_RECORD_BYTES
from shared.events import PersonErased, Topic, encode
from tests.contract.bus.conftest import Stage
from tests.contract.bus.scenery import Heard, clock, erased, outgoing, until

pytestmark = pytest.mark.timeout(900)

_HEADERS = encode(erased("good")).headers
_TYPE = ("ce_type", b"person.erased.v1")
_TRUNCATED = timedelta(milliseconds=1)
"""Kafka keeps no microseconds."""


async def _committed(stage: Stage, count: int) -> None:
    async with asyncio.timeout(90):
        while await stage.committed() != count:  # noqa: ASYNC110 # only the broker knows
            await asyncio.sleep(0.02)


async def test_what_is_published_is_heard_once_and_in_order_of_its_key(stage: Stage) -> None:
    await stage.publish(*(erased(subject, version) for version in (1, 2, 3) for subject in range(50)))
    await stage.consumer()
    await stage.publish(*(erased(subject, 4) for subject in range(50)))
    await until(lambda: len(stage.heard.finished) >= 200)
    await _committed(stage, 200)
    assert all(stage.heard.versions(subject) == [1, 2, 3, 4] for subject in range(50))


async def test_one_key_lies_in_one_partition_and_keys_are_spread(stage: Stage) -> None:
    await stage.publish(*(erased(subject, version) for version in (1, 2) for subject in range(50)))
    places = {(record.key, record.place) for record in await stage.everything()}
    assert len(places) == 50
    assert len({place for _, place in places}) == 4


async def test_two_groups_hear_everything_each(stage: Stage) -> None:
    other = Heard()
    await asyncio.gather(stage.consumer(), stage.consumer(group=f"{stage.group}2", handler=other))
    await stage.publish(*map(erased, range(20)))
    await until(lambda: len({*stage.heard.finished}) == len({*other.finished}) == 20)


async def test_a_restart_goes_on_where_the_stop_left_off(stage: Stage) -> None:
    first = await stage.consumer()
    await stage.publish(*map(erased, range(20)))
    await until(lambda: len(stage.heard.finished) == 20)
    await first.stop()
    await stage.publish(*map(erased, range(20, 40)))
    await stage.consumer()
    await until(lambda: len(stage.heard.finished) >= 40)
    assert len(stage.heard.finished) == 40


async def test_invariant_06_a_member_that_joins_under_load_causes_no_repeats_and_no_loss(stage: Stage) -> None:
    await asyncio.gather(stage.consumer(lanes=2), _publish_slowly(stage, 400))
    await asyncio.gather(stage.consumer(lanes=2), _publish_slowly(stage, 400, 400))
    await until(lambda: len(stage.heard.finished) >= 800)
    await _committed(stage, 800)
    assert max(Counter(stage.heard.finished).values()) == 1


async def _publish_slowly(stage: Stage, count: int, start: int = 0) -> None:
    for number in range(start, start + count, 10):
        await stage.publish(*map(erased, range(number, number + 10)))
        await asyncio.sleep(0.005)


async def test_invariant_11_a_member_without_partitions_takes_over_when_the_owners_leave(stage: Stage) -> None:
    members = list(await asyncio.gather(*(stage.consumer() for _ in range(5))))
    await until(lambda: sorted((m.health.partitions, m.health.ready) for m in members) == [(0, True), *[(1, True)] * 4])
    spare = next(member for member in members if member.health.partitions == 0)
    await asyncio.gather(*(member.stop() for member in members if member is not spare))
    await until(lambda: spare.health.partitions == 4)
    await stage.publish(*map(erased, range(20)))
    await until(lambda: len(stage.heard.finished) == 20)


async def test_the_context_says_where_and_when(stage: Stage) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    began = datetime.now(UTC)  # noqa: TID251 # the broker stamps with its own clock
    await stage.producer.send([outgoing(erased(1), stage.topic.name, trace)])
    await stage.consumer()
    await until(lambda: stage.heard.calls)
    _, context = stage.heard.calls[0]
    (record,) = await stage.everything()
    assert (context.topic, context.partition, context.offset) == (*record.place, 0)
    assert began - _TRUNCATED <= context.timestamp <= datetime.now(UTC)  # noqa: TID251
    assert context.timestamp == record.timestamp
    assert (context.traceparent, context.attempt) == (trace, 1)


async def test_a_dead_letter_holds_the_very_bytes_and_where_they_came_from(stage: Stage) -> None:
    headers = (_TYPE, ("x", None), ("x", b"\xff\xfe"), ("", b""), ("y", b""))
    await stage.send((b"\xffkey", b"\x00{", headers), (None, b"", (_TYPE,)), (b"", None, (_TYPE,)))
    await stage.consumer()
    await _committed(stage, 3)
    letters = [DeadLetter.read(record) for record in await stage.everything(stage.topic.dead)]
    found = {(x.key, x.value): x for x in letters if x}
    assert found.keys() == {(b"\xffkey", b"\x00{"), (None, b""), (b"", None)}
    letter = found[b"\xffkey", b"\x00{"]
    assert letter.headers == headers
    assert (letter.topic, letter.group, letter.reason) == (stage.topic.name, stage.group, "undecodable")
    original = await stage.reader.record(letter.place, letter.offset)
    assert original is not None
    assert (original.key, original.value, original.timestamp) == (letter.key, letter.value, letter.timestamp)


async def test_a_record_near_the_limit_can_still_become_a_dead_letter(stage: Stage) -> None:
    await stage.send((b"k", b"{" * (MAX_RECORD_BYTES - 2000), (_TYPE,)))
    await stage.consumer()
    await _committed(stage, 1)
    (record,) = await stage.everything(stage.topic.dead)
    assert record.value == b"{" * (MAX_RECORD_BYTES - 2000)


async def test_a_record_above_the_limit_is_refused_before_anything_is_written(stage: Stage) -> None:
    small = Outgoing(stage.topic.name, b"k", b"v", ())
    large = Outgoing(stage.topic.name, b"k", b"v" * MAX_RECORD_BYTES, ())
    with pytest.raises(Unpublishable) as refused:
        await stage.producer.send([small, small, large])
    assert refused.value.details["position"] == 2
    assert not await stage.everything()


async def test_a_topic_that_does_not_exist_does_not_spoil_the_producer_for_the_others(stage: Stage) -> None:
    with suppress(BusUnavailable):  # the embedded broker makes the topic instead of refusing
        await stage.producer.send([Outgoing(f"{stage.topic.name}.nowhere", b"k", b"v", ())])
    await stage.publish(erased(1))
    assert len(await stage.everything()) == 1


@pytest.mark.parametrize("partitions", [4, 5])
async def test_invariant_25_a_consumer_of_a_missing_or_different_topic_says_so(stage: Stage, partitions: int) -> None:
    name = stage.topic.name if partitions == 5 else f"{stage.topic.name}.nowhere"
    topic = Topic(name, "registry", partitions=partitions)
    consumer = Consumer(stage.broker, stage.group, {PersonErased: stage.heard}, clock=clock, topics=(topic,))
    with pytest.raises(TopicUnfit, match=r"missing|4 partitions instead of 5"):
        async with asyncio.timeout(90):
            await consumer.run()


async def test_invariant_24_the_lag_is_what_is_there_minus_what_is_committed(stage: Stage) -> None:
    began = datetime.now(UTC)  # noqa: TID251 # the broker stamps with its own clock
    await stage.publish(*map(erased, range(100)))
    written = datetime.now(UTC)  # noqa: TID251
    ends = await stage.reader.ends([stage.topic, stage.topic.dead])
    assert sum(ends.values()) == 100
    assert len(ends) == 5
    lags = await stage.reader.lags({stage.group: [stage.topic]})
    assert sum(lag.records for lag in lags) == 100
    assert all(lag.oldest and began - _TRUNCATED <= lag.oldest <= written for lag in lags if lag.records)
    await stage.consumer()
    await _committed(stage, 100)
    lags = await stage.reader.lags({stage.group: [stage.topic]})
    assert {lag.place: lag.committed for lag in lags} == {
        p: end for p, end in ends.items() if p.topic == stage.topic.name
    }
    assert {(lag.records, lag.seconds(began)) for lag in lags} == {(0, 0.0)}


async def test_the_lag_in_seconds_counts_from_the_first_record_that_waits(stage: Stage) -> None:
    stage.heard.gate.clear()
    await stage.publish(erased(1))
    await stage.consumer(drain_timeout=0.1)
    await until(lambda: stage.heard.calls)
    (lag,) = [lag for lag in await stage.reader.lags({stage.group: [stage.topic]}) if lag.records]
    _, context = stage.heard.calls[0]
    assert lag.oldest == context.timestamp
    assert lag.seconds(context.timestamp + timedelta(seconds=90)) == 90.0


async def test_the_reader_knows_every_topic(stage: Stage) -> None:
    topics = await stage.reader.topics()
    assert (topics[stage.topic.name], topics[stage.topic.dead.name]) == (4, 1)


async def test_the_reader_finds_one_record_or_none(stage: Stage) -> None:
    await stage.publish(erased(1), erased(1, 2))
    (place,) = {record.place for record in await stage.everything()}
    second = await stage.reader.record(place, 1)
    assert second is not None
    assert second.value == encode(erased(1, 2)).value
    assert await stage.reader.record(place, 2) is None


async def test_the_tail_begins_now_and_shows_what_comes(stage: Stage) -> None:
    await stage.publish(*map(erased, range(20)))
    seen: list[Received] = []

    async def watch() -> None:
        async with aclosing(stage.reader.tail([stage.topic])) as records:
            async for record in records:
                seen.append(record)
                if len(seen) == 20:
                    return

    async with asyncio.TaskGroup() as group, asyncio.timeout(90):
        watching = group.create_task(watch())
        number = 100
        while not watching.done():
            await stage.publish(erased(number))
            number += 1
            await asyncio.sleep(0.02)
    old = {encode(erased(n)).key for n in range(20)}
    assert not old & {record.key for record in seen}


async def test_invariant_23_a_search_over_all_topics_finds_a_secret_wherever_it_hides(stage: Stage) -> None:
    await stage.send((b"in-key-482107", b"v", ()), (b"k", b"in 482107 value", ()), (b"k", b"v", (("a482107", None),)))
    await stage.send((b"k", b"v", (("x", b"482107"),)))
    await stage.producer.send([Outgoing(stage.topic.dead.name, b"k", b"482107", ())])
    await stage.publish(*map(erased, range(10)))
    everything = [record async for record in stage.reader.read([stage.topic, stage.topic.dead])]
    assert len(everything) == 15
    assert sum(any(b"482107" in part for part in record.parts()) for record in everything) == 5
