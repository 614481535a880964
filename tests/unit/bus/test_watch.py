"""What the second pair of eyes sees: handlers that never return, a loop that stands still, polling that has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.bus import BusMetrics, Consumer, Context, DeadLetter, MemoryBroker, watch
from shared.bus.memory.broker import MemoryMember
from shared.bus.watch import STALLED_SECONDS
from shared.bus.watchdog import GRACE_SECONDS, HandlerStuck, HandlerUnstoppable, Watchdog
from shared.bus.wire import Stalled
from shared.events import PEOPLE, PersonErased, Topic
from shared.lifecycle import Tasks
from tests.contract.bus.scenery import Heard, clock, erased, until
from tests.unit.bus.conftest import GROUP, Stage


class Time:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def time() -> Time:
    """Stands still."""
    return Time()


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks but the test: a look that falls due while the test turns the clock sees a loop that stood still."""
    monkeypatch.setattr(watch, "EVERY_SECONDS", 3600.0)


def _look(consumer: Consumer, time: Time, seconds: float) -> None:
    """`seconds` pass, in which the loop turned as it should. For tests that look by hand."""
    time.now += seconds
    consumer._watch.look(late=0.0)


async def test_invariant_18_a_handler_that_never_returns_is_cancelled_tried_again_and_then_a_dead_letter(
    stage: Stage, time: Time, by_hand: None
) -> None:
    registry = CollectorRegistry()
    stage.heard.gate.clear()
    stage.heard.blocked = {erased("stuck").subject}
    await stage.publish(erased("stuck"), *(erased(number) for number in range(20)))
    consumer = await stage.consumer(time=time, handler_limit=120.0, metrics=BusMetrics(registry))
    await until(lambda: len(stage.heard.finished) == 20)
    _look(consumer, time, 120.0)
    assert len(stage.heard.calls) == 21
    _look(consumer, time, 1.0)
    await until(lambda: len(stage.heard.calls) == 22)
    assert stage.heard.calls[-1][1].attempt == 2
    await until(lambda: len(consumer._handling._watchdog._calls) == 1)
    _look(consumer, time, 121.0)
    await until(lambda: stage.committed() == 21)
    (letter,) = [DeadLetter.read(record) for record in stage.broker.records(PEOPLE.dead.name)]
    assert letter is not None
    assert (letter.reason, letter.attempts) == ("handler_stuck", 2)
    assert letter.seconds >= 242
    labels = {"group": GROUP, "topic": PEOPLE.name}
    assert registry.get_sample_value("boothline_consumer_handlers_stuck_total", labels) == 2
    assert consumer.health.ready


async def test_invariant_18_a_handler_that_swallows_its_cancellation_makes_the_consumer_unfit_and_commits_nothing(
    stage: Stage, time: Time, by_hand: None
) -> None:
    release, swallowed = asyncio.Event(), 0

    async def stubborn(event: PersonErased, context: Context) -> None:
        nonlocal swallowed
        await stage.heard(event, context)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                swallowed += 1

    await stage.publish(erased("stubborn"))
    consumer = await stage.consumer(time=time, handler=stubborn, drain_timeout=0.01)
    await until(lambda: len(stage.heard.finished) == 1)
    _look(consumer, time, 121.0)
    await until(lambda: swallowed == 1)
    _look(consumer, time, GRACE_SECONDS / 2 + 1)
    await until(lambda: swallowed == 2)
    with pytest.raises(HandlerUnstoppable, match=r"registry\.people"):
        _look(consumer, time, GRACE_SECONDS)
    assert consumer.health.problem == "handler_unstoppable"
    assert not consumer.health.ready
    await consumer.stop()
    release.set()
    assert (stage.committed(), stage.dead()) == (0, 0)


async def test_invariant_10_polling_that_has_ended_in_spite_of_all_time_outs_ends_the_process(time: Time) -> None:
    async with Tasks() as process:
        broker = _Silent(topics=[PEOPLE, PEOPLE.dead])
        consumer = Consumer(broker, "silent", {PersonErased: Heard()}, clock=clock, tasks=process, time=time)
        await consumer.start()
        await until(lambda: broker.polls)
        consumer._polled = consumer._watch._woke = time.now - STALLED_SECONDS - 1
        async with asyncio.timeout(60):
            with pytest.raises(Stalled, match="silent has not polled for 301 seconds"):
                await process.crashed()
        assert consumer.health.problem == "bus_stalled"
        process._died = None  # seen: else leaving the block would raise it again


class _Silent(MemoryBroker):
    """Polls of its members never return, and all their time-outs do not work."""

    polls = 0

    def member(self, group: str, topics: Sequence[Topic]) -> MemoryMember:
        return _SilentMember(self, self._group(group), topics)

    async def silence(self) -> None:
        """No record, ever."""
        self.polls += 1
        await asyncio.Event().wait()


class _SilentMember(MemoryMember):
    async def poll(self, *_: Any) -> Sequence[Any]:
        assert isinstance(self._broker, _Silent)
        await self._broker.silence()
        return ()


async def test_invariant_18_a_handler_that_blocks_the_event_loop_is_counted_and_not_taken_for_a_stuck_one(
    stage: Stage, time: Time
) -> None:
    registry = CollectorRegistry()

    async def sleeper(event: PersonErased, context: Context) -> None:
        await stage.heard(event, context)
        time.now += 200.0  # what time.sleep(200) does: time passes, and nothing else runs

    await stage.publish(erased("sleepy"))
    await stage.consumer(time=time, handler=sleeper, handler_limit=120.0, metrics=BusMetrics(registry))
    await until(lambda: registry.get_sample_value("boothline_consumer_loop_stalls_total", {"group": GROUP}))
    await until(lambda: stage.committed() == 1)
    assert stage.dead() == 0
    assert len(stage.heard.calls) == 1
    labels = {"group": GROUP, "topic": PEOPLE.name}
    assert registry.get_sample_value("boothline_consumer_handlers_stuck_total", labels) == 0


@pytest.mark.parametrize(("late", "stalls"), [(9.9, 0), (10.1, 1)])
async def test_invariant_18_a_loop_that_is_late_by_more_than_a_third_of_the_session_is_an_alarm(
    stage: Stage, time: Time, by_hand: None, late: float, stalls: int
) -> None:
    registry = CollectorRegistry()
    consumer = await stage.consumer(time=time, metrics=BusMetrics(registry))
    consumer._watch.look(late)
    assert registry.get_sample_value("boothline_consumer_loop_stalls_total", {"group": GROUP}) == stalls
    assert registry.get_sample_value("boothline_consumer_loop_lag_seconds", {"group": GROUP}) == late


async def test_a_machine_that_slept_has_no_stuck_handlers_and_no_stalled_polling(
    stage: Stage, time: Time, by_hand: None
) -> None:
    stage.heard.gate.clear()
    await stage.publish(erased(1))
    consumer = await stage.consumer(time=time)
    await until(lambda: stage.heard.calls)
    time.now += 3600
    consumer._watch.look(late=3600)
    assert consumer._watch.broken is None
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 1)
    assert len(stage.heard.calls) == 1


@pytest.fixture
def watchdog(time: Time) -> Watchdog:
    """Ten seconds."""
    return Watchdog(10.0, time, lambda _: None)


async def _guarded(watchdog: Watchdog, handler: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
    async def lane() -> None:
        await watchdog.guard("topic", handler())

    task = asyncio.get_running_loop().create_task(lane())
    await until(lambda: watchdog._calls)
    return task


async def test_a_handler_that_ends_well_in_spite_of_its_cancellation_was_successful(
    watchdog: Watchdog, time: Time
) -> None:
    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    task = await _guarded(watchdog, cleans_up)
    time.now += 11
    watchdog.look()
    await task
    assert task.cancelling() == 0


async def test_a_handler_that_began_after_a_standstill_is_not_given_its_time(watchdog: Watchdog, time: Time) -> None:
    time.now += 3600  # the machine slept; then the loop turned, and only then came the look
    task = await _guarded(watchdog, asyncio.Event().wait)  # type: ignore[arg-type] # its result does not matter
    watchdog.look(late=3600)
    time.now += 11
    watchdog.look()
    with pytest.raises(HandlerStuck):
        await task


async def test_a_drain_that_cancels_what_the_watchdog_cancelled_as_well_wins(watchdog: Watchdog, time: Time) -> None:
    task = await _guarded(watchdog, asyncio.Event().wait)  # type: ignore[arg-type] # its result does not matter
    time.now += 11
    watchdog.look()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_whatever_a_handler_makes_of_its_cancellation_it_was_stuck(watchdog: Watchdog, time: Time) -> None:
    async def wraps() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise RuntimeError("driver: connection lost") from error

    task = await _guarded(watchdog, wraps)
    time.now += 11
    watchdog.look()
    with pytest.raises(HandlerStuck, match="10 seconds"):
        await task
