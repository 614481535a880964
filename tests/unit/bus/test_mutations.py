"""Runners with one promise broken on purpose: the scenario that guards it must notice."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.bus import consumer, lanes
from shared.bus.burying import Burial
from shared.bus.lanes import Lanes
from shared.bus.offsets import OffsetTracker
from shared.bus.wire import Received
from tests.unit.bus import promises

Mutation = Callable[[pytest.MonkeyPatch], None]


def commit_the_position(patch: pytest.MonkeyPatch) -> None:
    """As `commit()` without offsets does it: what was handed out counts as done."""

    def due(tracker: OffsetTracker) -> int | None:
        return max(tracker._dispatched) + 1 if tracker._dispatched else tracker._next

    patch.setattr(OffsetTracker, "due", property(due))


def drop_the_queue_on_revoke(patch: pytest.MonkeyPatch) -> None:
    """Only what is at work is waited for."""
    real = Lanes.drain

    async def drain(self: Lanes, timeout: float) -> bool:
        for waiting in self._waiting.values():
            waiting.clear()
        return await real(self, timeout)

    patch.setattr(Lanes, "drain", drain)


def no_drain(patch: pytest.MonkeyPatch) -> None:
    """What is at work is cancelled at once."""
    real = Lanes.drain

    async def drain(self: Lanes, timeout: float) -> bool:
        return await real(self, 0.0)

    patch.setattr(Lanes, "drain", drain)


def count_a_dead_letter_before_it_is_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """As fire and forget does it."""

    async def write(*_: Any) -> None:
        return

    patch.setattr(Burial, "_write", write)


def a_lane_per_record(patch: pytest.MonkeyPatch) -> None:
    """As a pool of workers does it."""

    def lane_of(record: Received) -> Any:
        return record.place, record.key, record.offset

    patch.setattr(lanes, "lane_of", lane_of)


def a_time_out_around_the_poll(patch: pytest.MonkeyPatch) -> None:
    """`wait_for(getone())`."""

    async def poll(self: consumer.Consumer, member: Any) -> None:
        places, limit, timeout = self._room()
        records: Sequence[Received] = ()
        try:
            records = await asyncio.wait_for(member.poll(places, limit, timeout), timeout / 4) if places else ()
        except TimeoutError:
            return
        await self._owned.arrived(records)
        await asyncio.sleep(0)

    patch.setattr(consumer.Consumer, "_poll", poll)


@pytest.mark.parametrize(
    ("mutation", "promise", "noticed"),
    [
        (commit_the_position, promises.a_kill_loses_nothing, "a record was lost"),
        (drop_the_queue_on_revoke, promises.a_rebalance_repeats_nothing, "a record was handled again"),
        (no_drain, promises.a_rebalance_repeats_nothing, "a record was handled again"),
        (
            count_a_dead_letter_before_it_is_acknowledged,
            promises.a_dead_letter_comes_before_its_commit,
            "committed without a dead letter",
        ),
        (a_lane_per_record, promises.a_key_keeps_its_order, "two records of one key at once"),
        (a_time_out_around_the_poll, promises.a_poll_is_never_cancelled, "a poll was cancelled"),
    ],
)
async def test_a_runner_that_breaks_a_promise_is_found_out(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, promise: Callable[[], Any], noticed: str
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=noticed):
        await promise()


async def test_invariant_01_a_kill_loses_nothing() -> None:
    await promises.a_kill_loses_nothing()


async def test_invariant_06_a_revoke_waits_for_what_is_at_work_and_queued_and_so_repeats_nothing() -> None:
    await promises.a_rebalance_repeats_nothing()


async def test_invariant_04_a_source_offset_waits_for_its_dead_letter() -> None:
    await promises.a_dead_letter_comes_before_its_commit()


async def test_invariant_13_a_key_keeps_its_order_and_holds_up_no_other() -> None:
    await promises.a_key_keeps_its_order()


async def test_invariant_11_a_poll_is_never_cancelled() -> None:
    await promises.a_poll_is_never_cancelled()
