"""What waits without end must be seen: a dependency that is away, a dead letter that cannot be written."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from shared.bus import BusMetrics, MemoryBroker, NotHearing, Outgoing
from shared.bus.connection import DEAD_HEADROOM_BYTES, MAX_RECORD_BYTES
from shared.errors import Unavailable
from shared.events import PEOPLE, encode
from tests.contract.bus.scenery import NOW, erased, until
from tests.unit.bus.conftest import GROUP, Stage
from tests.unit.bus.test_watch import Time

_TYPE = ("ce_type", b"person.erased.v1")


class _StoreAway(Unavailable):
    """The store does not answer."""

    code = "store_unavailable"


async def test_invariant_17_an_outage_is_named_with_its_beginning_and_after_a_minute_without_success_it_is_not_ready(
    stage: Stage,
) -> None:
    time, registry, away = Time(), CollectorRegistry(), True
    for number in range(10):
        stage.heard.failures[erased(number).subject] = lambda _: _StoreAway() if away else None
    await stage.publish(*(erased(number) for number in range(10)))
    consumer = await stage.consumer(time=time, metrics=BusMetrics(registry))
    await until(lambda: consumer.health.waiting == 10)
    health = consumer.health
    assert (health.problem, health.ready) == ("dependency", True)
    assert (health.waiting_for, health.waiting_since) == ("store_unavailable", NOW)
    assert await consumer.probe() == "dependency, 10 wait for store_unavailable since 2026-11-24T08:00:00Z"
    time.now += 61
    await until(lambda: consumer.health.problem == "outage")  # once the polling has seen the new time, too
    assert not consumer.health.ready
    with pytest.raises(NotHearing, match="otp hears nothing: outage, 10 wait for store_unavailable since 2026-11-24"):
        await consumer.probe()
    await until(lambda: registry.get_sample_value("boothline_consumer_waiting_seconds", {"group": GROUP}) == 61)
    assert registry.get_sample_value("boothline_consumer_waiting_records", {"group": GROUP}) == 10
    assert registry.get_sample_value("boothline_consumer_ready", {"group": GROUP}) == 0
    away = False
    await until(lambda: stage.committed() == 10)
    assert consumer.health.problem is None
    await until(lambda: registry.get_sample_value("boothline_consumer_ready", {"group": GROUP}) == 1)


async def test_invariant_17_one_key_that_waits_while_others_go_on_is_said_but_does_not_make_the_service_unready(
    stage: Stage,
) -> None:
    time = Time()
    stage.heard.failures[erased("odd").subject] = lambda _: FileNotFoundError("9876543210")
    await stage.publish(erased("odd"))
    consumer = await stage.consumer(time=time)
    await until(lambda: consumer.health.waiting == 1)
    for round_ in range(5):
        time.now += 50
        await stage.publish(erased(f"good {round_}"))
        await until(lambda round_=round_: stage.heard.versions(f"good {round_}"))  # type: ignore[misc]
        assert consumer.health.ready
        assert consumer.health.waiting_for == "FileNotFoundError"
    assert stage.dead() == 0


async def test_invariant_04_a_dead_letter_topic_that_is_missing_holds_the_record_until_it_is_made(stage: Stage) -> None:
    broker = stage.broker = MemoryBroker(topics=[PEOPLE])
    stage.producer._broker = broker
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", b"{", (_TYPE,))])
    await stage.publish(erased("after"))
    consumer = await stage.consumer()
    await until(lambda: stage.heard.versions("after"))
    await until(lambda: stage.committed() == 1)
    health = consumer.health
    assert (health.problem, health.ready, health.waiting) == ("dead_letter_unwritten", False, 1)
    broker.add(PEOPLE.dead)
    await until(lambda: stage.committed() == 2)
    assert stage.dead() == 1
    await until(lambda: consumer.health.ready)


async def test_invariant_04_a_dead_letter_that_its_topic_never_takes_is_held_and_neither_lost_nor_a_crash(
    stage: Stage,
) -> None:
    whole = b"{" * (MAX_RECORD_BYTES + DEAD_HEADROOM_BYTES)
    stage.broker.append(Outgoing(PEOPLE.name, b"k", whole, (_TYPE,)))  # as where somebody raised the topic's own limit
    await stage.publish(erased("after"))
    registry = CollectorRegistry()
    consumer = await stage.consumer(metrics=BusMetrics(registry), jitter=lambda: 1.0)
    await until(lambda: stage.heard.versions("after"))
    await until(lambda: consumer.health.problem == "dead_letter_unwritten")
    assert consumer.health.waiting_for == "unpublishable"
    await until(lambda: stage.committed() == 1)
    async with asyncio.timeout(60):  # far below the drain
        await consumer.stop()
    assert (stage.committed(), stage.dead()) == (1, 0)
    again = await stage.consumer()  # the next process finds it again
    await until(lambda: again.health.problem == "dead_letter_unwritten")
    assert stage.committed() == 1


async def test_invariant_04_a_record_at_the_limit_fits_into_its_dead_letter_topic_with_our_headers(
    stage: Stage,
) -> None:
    whole = b"{" * (MAX_RECORD_BYTES - 200)
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", whole, (_TYPE,))])
    await stage.consumer()
    await until(lambda: stage.committed() == 1)
    (letter,) = stage.broker.records(PEOPLE.dead.name)
    assert letter.value == whole


async def test_a_failure_at_writing_a_dead_letter_that_passes_is_not_an_outage_of_a_handler(stage: Stage) -> None:
    stage.broker.refuses_records = True
    stage.broker.append(Outgoing(PEOPLE.name, b"k", b"{", encode(erased(1)).headers))
    consumer = await stage.consumer()
    await until(lambda: consumer.health.waiting_for == "bus_unavailable")
    assert consumer.health.problem == "dead_letter_unwritten"
    stage.broker.refuses_records = False
    await until(lambda: stage.committed() == 1)
