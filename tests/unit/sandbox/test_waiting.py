"""Waiting for changes, deliveries at their time, and calls under faults."""

import asyncio

import pytest

from services.sandbox.domain.faults import Api, Fault, Stage
from services.sandbox.service.changes import ALL, KEYS_KEPT, Changes
from services.sandbox.service.deliveries import Deliveries, pause
from services.sandbox.service.outcome import Outcome, under
from shared.lifecycle import Tasks


async def test_a_wait_ends_with_the_change_it_waits_for() -> None:
    changes, found = Changes(), list[int]()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(changes.until(lambda: found[0] if found else None, 300.0))
        await asyncio.sleep(0)
        changes.touch("something else")
        await asyncio.sleep(0)
        assert not waiting.done()
        found.append(7)
        changes.touch("calls")
    assert waiting.result() == 7


def never() -> int | None:
    return None


async def test_a_wait_ends_without_a_change_when_its_time_is_over_or_the_process_stops() -> None:
    changes = Changes()
    assert await changes.until(never, 0.0) is None
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(changes.until(never, 60.0))
        await asyncio.sleep(0)
        changes.stop()
    assert waiting.result() is None


async def test_a_subscription_collects_names_once_and_is_bounded() -> None:
    changes = Changes()
    with changes.subscribed() as subscription:
        changes.touch("a")
        changes.touch("a")
        changes.touch("b")
        assert await subscription.take(1.0) == {"a", "b"}
        assert await subscription.take(0.0) == set()
        for n in range(KEYS_KEPT + 1):
            changes.touch(str(n))
        assert await subscription.take(1.0) == {ALL}
    assert changes.watchers == 0


async def test_deliveries_run_in_the_order_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    due, ran, all_ran = Deliveries(), list[str](), asyncio.Event()

    def work(name: str) -> object:
        async def run() -> None:
            ran.append(name)
            if len(ran) == 3:
                all_ran.set()

        return run

    async with Tasks() as tasks:
        with monkeypatch.context() as patch:
            began = asyncio.get_running_loop().time()
            patch.setattr(asyncio.get_running_loop(), "time", lambda: began)  # all are scheduled at one moment
            for after, name in ((0.03, "c"), (0.0, "a"), (0.01, "b")):
                due.schedule(after, work(name))  # type: ignore[arg-type] # a coroutine function
        tasks.spawn(due.run(), name="deliveries")
        async with asyncio.timeout(60):
            await all_ran.wait()
    assert ran == ["a", "b", "c"]


async def test_what_a_reset_has_forgotten_does_not_come_again() -> None:
    due, ran, over = Deliveries(), list[str](), asyncio.Event()

    async def again() -> None:
        ran.append("again")
        due.clear()
        due.schedule(0.0, again)
        over.set()

    async def last() -> None:
        ran.append("last")

    async with Tasks() as tasks:
        due.schedule(0.0, again)
        tasks.spawn(due.run(), name="deliveries")
        await over.wait()
        done = asyncio.Event()

        async def end() -> None:
            done.set()

        due.schedule(0.0, last)
        due.schedule(0.01, end)
        async with asyncio.timeout(60):
            await done.wait()
    assert ran == ["again", "last"]


async def test_the_schedule_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sandbox.service.deliveries.QUEUED", 5)

    async def nothing() -> None:
        raise AssertionError("not run")

    due = Deliveries()
    for _ in range(8):
        due.schedule(60.0, nothing)
    assert due.dropped == 3


def test_pauses_double_up_to_ten_seconds() -> None:
    assert [pause(0.5, n) for n in (1, 2, 3, 5, 6, 50)] == [0.5, 1.0, 2.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("fault", "status", "works"),
    [
        (None, 200, 1),
        (Fault(api=Api.SMS, latency=0.001), 200, 1),
        (Fault(api=Api.SMS, status=500), 500, 0),
        (Fault(api=Api.SMS, status=500, stage=Stage.AFTER), 500, 1),
        (Fault(api=Api.SMS, reset=True), 0, 0),
        (Fault(api=Api.SMS, reset=True, stage=Stage.AFTER), 0, 1),
        (Fault(api=Api.SMS, hang=0.001), 0, 0),
        (Fault(api=Api.SMS, hang=0.001, stage=Stage.AFTER), 0, 1),
    ],
)
async def test_a_fault_breaks_a_call_before_or_after_its_work(fault: Fault | None, status: int, works: int) -> None:
    done = list[int]()

    async def work() -> Outcome:
        done.append(1)
        return Outcome(200, {})

    outcome = await under(fault, work, lambda f: Outcome(f.status, {}))
    assert (outcome.status, len(done)) == (status, works)
