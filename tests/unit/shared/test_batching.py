"""Batches: who is done with whom, and who is told what when one goes wrong."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.batching import Batcher
from shared.errors import Unavailable
from shared.telemetry import current_trace


class Work:
    """Doubles numbers; holds a batch where a test says so, and fails on what a test names."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.at_fault: dict[int, Exception] = {}

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.began.set()
        await self.go_on.wait()
        for item in items:
            if item in self.at_fault:
                raise self.at_fault[item]
        return [item * 2 if item else ValueError("zero") for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


async def test_what_comes_alone_is_done_alone(work: Work) -> None:
    double = Batcher(work, limit=10)
    assert [await double(1), await double(2)] == [2, 4]
    assert work.batches == [[1], [2]]


async def test_what_comes_meanwhile_is_the_next_batch_up_to_the_limit(work: Work) -> None:
    double = Batcher(work, limit=3)
    work.go_on.clear()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        first = group.create_task(double(1))
        await work.began.wait()
        others = [group.create_task(double(number)) for number in range(2, 7)]
        await asyncio.sleep(0)
        work.go_on.set()
    assert [first.result(), *(other.result() for other in others)] == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3, 4], [5, 6]]


async def test_an_item_that_fails_by_itself_fails_alone(work: Work) -> None:
    double = Batcher(work, limit=10)
    results = await asyncio.gather(*(double(number) for number in (1, 0, 2)), return_exceptions=True)
    assert [results[0], results[2]] == [2, 4]
    assert isinstance(results[1], ValueError)
    assert work.batches == [[1, 0, 2]]


async def test_a_batch_that_raises_is_done_again_one_by_one(work: Work) -> None:
    double = Batcher(work, limit=10)
    work.at_fault = {2: LookupError("two")}
    results = await asyncio.gather(*(double(number) for number in (1, 2, 3)), return_exceptions=True)
    assert [results[0], results[2]] == [2, 6]
    assert isinstance(results[1], LookupError)
    assert work.batches == [[1, 2, 3], [1], [2], [3]]


@pytest.mark.parametrize("away", [Unavailable(), ConnectionError()])
async def test_an_outage_is_told_to_all_and_nothing_is_tried_again(work: Work, away: Exception) -> None:
    double = Batcher(work, limit=10)
    work.at_fault = {2: away}
    results = await asyncio.gather(*(double(number) for number in (1, 2, 3)), return_exceptions=True)
    assert results == [away] * 3
    assert work.batches == [[1, 2, 3]]
    assert await double(1) == 2


async def test_a_caller_who_goes_away_disturbs_nobody(work: Work) -> None:
    double = Batcher(work, limit=10)
    work.go_on.clear()
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        first = group.create_task(double(1))
        await work.began.wait()
        second, third = group.create_task(double(2)), group.create_task(double(3))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.sleep(0)
        work.go_on.set()
    assert third.result() == 6
    assert work.batches == [[1], [3]]


async def test_items_of_one_key_are_done_in_order_and_never_together(work: Work) -> None:
    double = Batcher(work, limit=10, key=lambda number: number % 10)
    results = await asyncio.gather(*(double(number) for number in (1, 11, 2, 21, 12)))
    assert results == [2, 22, 4, 42, 24]
    assert work.batches == [[1, 2], [11, 12], [21]]


async def test_a_batch_belongs_to_nobodys_trace_and_its_callers_keep_theirs() -> None:
    traces: list[str | None] = []

    async def act(items: Sequence[int]) -> list[int]:
        traces.append(current_trace.get())
        return list(items)

    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    token = current_trace.set(trace)
    assert await Batcher[int, int](act, limit=10)(1) == 1
    assert (traces, current_trace.get()) == ([None], trace)
    current_trace.reset(token)
