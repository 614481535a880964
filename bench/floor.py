"""The floor: what the flow cannot do without, measured in the same run and at the same rhythm."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import asyncpg

from shared.bus import Connection, Outgoing, Producer, ensure_topics
from shared.events import Topic

if TYPE_CHECKING:
    from bench.flow import Bench


REST = 0.2
"""Seconds before each measured thing: who is alone finds every process asleep. Without it the floor is that of a hot
loop."""


async def timed(work: Callable[[], Awaitable[object]], times: int) -> float:
    """Median seconds, each after a rest."""
    seen = []
    for _ in range(times):
        await asyncio.sleep(REST)
        started = time.perf_counter()
        await work()
        seen.append(time.perf_counter() - started)
    return statistics.median(seen)


async def floor(bench: "Bench") -> dict[str, float]:
    """Median milliseconds of what the flow cannot do without."""
    url = next(s.environment["NOTIFIER_DATABASE_URL"] for s in bench.up.services if s.name == "notifier")
    database = await asyncpg.connect(url)
    await database.execute("CREATE TABLE bench_floor (id int)")

    async def commit() -> None:
        await database.execute("INSERT INTO bench_floor VALUES (1)")

    async def call() -> None:
        async with bench.http.get(bench.url("sandbox", "/health")) as response:
            await response.read()

    try:
        return {
            "one PostgreSQL commit": await timed(commit, 60) * 1000,
            "two bare Kafka hops": await hops(bench) * 1000,
            "one bare HTTP call": await timed(call, 60) * 1000,
        }
    finally:
        await database.execute("DROP TABLE bench_floor")
        await database.close()


async def hops(bench: "Bench") -> float:
    """Median seconds of a record that is published, heard, published again and heard again."""
    first, second = Topic("bench.first", "console", partitions=1), Topic("bench.second", "console", partitions=1)
    connection = Connection(bench.up.endpoints.kafka, "bench", ephemeral=bench.embedded)
    await ensure_topics(connection, (first, second))
    async with connection.reader() as here, connection.reader() as there, Producer(connection) as producer:
        heard, again = here.tail([first]), there.tail([second])

        async def pass_on() -> None:
            async for record in heard:
                await producer.send([Outgoing(second.name, record.key, record.value, ())])

        async def round_trip() -> None:
            await producer.send([Outgoing(first.name, b"k", b"v" * 800, ())])
            await anext(again)

        async with asyncio.TaskGroup() as group:
            passing = group.create_task(pass_on())
            waiting = group.create_task(anext(again))
            while not waiting.done():
                await producer.send([Outgoing(first.name, b"k", b"warm", ())])
                await asyncio.wait({waiting}, timeout=0.3)
            await asyncio.sleep(1)
            result = await timed(round_trip, 60)
            passing.cancel()
        return result
