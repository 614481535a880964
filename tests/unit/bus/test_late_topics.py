"""A broker that was away and has no topics yet is given a moment to get them; any other broker is not."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.bus import BusUnavailable, Consumer, MemoryBroker, TopicUnfit, consumer
from shared.clock import utc_now
from shared.events import PEOPLE, PersonErased, Topic
from shared.lifecycle import Tasks
from tests.contract.bus.scenery import Heard, until
from tests.unit.bus.conftest import GROUP
from tests.unit.bus.test_watch import Time


class Late(MemoryBroker):
    """Away at first, and then without topics."""

    away = True
    looked = 0

    def check(self, topics: Sequence[Topic]) -> None:
        if self.away:
            raise BusUnavailable
        self.looked += 1
        super().check(topics)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "_REJOIN_SECONDS", 0.0)


async def test_topics_that_are_made_after_the_broker_came_are_waited_for() -> None:
    broker = Late(utc_now, [])
    async with Consumer(broker, GROUP, {PersonErased: Heard()}, clock=utc_now, time=Time()) as hears:
        await until(lambda: hears.health.problem == "broker")
        broker.away = False
        await until(lambda: broker.looked > 3)
        assert not hears.health.ready
        broker.add(PEOPLE)
        await until(lambda: hears.health.ready)


async def test_topics_that_do_not_come_end_the_process_after_half_a_minute() -> None:
    broker, time = Late(utc_now, []), Time()
    async with Tasks() as process:
        hears = Consumer(broker, GROUP, {PersonErased: Heard()}, clock=utc_now, tasks=process, time=time)
        await hears.start()
        await until(lambda: hears.health.problem == "broker")
        broker.away = False
        await until(lambda: broker.looked > 3)
        time.now += 31
        with pytest.raises(TopicUnfit, match="missing"):
            async with asyncio.timeout(60):
                await process.crashed()
        await hears.stop()
        process._died = None  # seen: else leaving the block would raise it again
