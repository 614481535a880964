"""otp on this machine: requests a second and CPU per request, beside a bare EVALSHA in the same run.

    .venv/bin/python bench/otp.py [--url redis://..] [--requests 2000] [--at-once 16]

Without --url it starts the embedded Valkey (append-only file, fsync always). Nothing is asserted: read ratios.
`issue` opens a challenge and puts two events into the outbox; `wrong` and `right` are the web page's verification
through the use case (HMACs, JSON, one script), `page` a POST through the whole HTTP application without a socket.
CPU is this process's; Valkey's own is shown apart as the share of a core that it used.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis.asyncio import Redis

from services.otp.store import open_valkey
from shared import ids
from stack.embedded import Valkey, find
from stack.embedded.starting import drive
from stack.folder import fresh_test_folder
from tests.integration.otp.world import Sent, World, wrong_code

Work = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    valkey_core: float


async def measure(name: str, valkey: Redis, work: Work, requests: int, at_once: int) -> Figure:
    """Do it `requests` times, `at_once` at a time."""
    numbers = iter(range(requests))
    took: list[float] = []

    async def worker() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await work(number)
            took.append(time.perf_counter() - begun)

    server_before, cpu_before, begun = await server_cpu(valkey), own_cpu(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    seconds, cpu = time.perf_counter() - begun, own_cpu() - cpu_before
    server = (await server_cpu(valkey) - server_before) / seconds
    quantiles = statistics.quantiles(took, n=100)
    return Figure(name, requests / seconds, cpu / requests * 1e6, quantiles[49] * 1e3, quantiles[98] * 1e3, server)


def own_cpu() -> float:
    """Seconds of CPU of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def server_cpu(valkey: Redis) -> float:
    """Seconds of CPU of Valkey."""
    used = await valkey.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def figures(url: str, requests: int, at_once: int) -> Sequence[Figure]:
    """All of them, one after another."""
    async with open_valkey(url) as valkey:
        await valkey.flushdb()
        world = World(valkey)
        bare = valkey.register_script("return redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)")
        appointments = [world.recorded(phone=f"+91555{number:07}") for number in range(requests)]

        async def floor(number: int) -> None:
            await bare(keys=[f"bench:{number}"], args=["x" * 64])

        async def issue(number: int) -> None:
            assert await world.otp.open(appointments[number], world.now) == "opened"

        found = [await measure("bare EVALSHA", valkey, floor, requests, at_once)]
        found.append(await measure("issue", valkey, issue, requests, at_once))
        sent = sorted(world.messages(await world.published()), key=lambda each: str(each.event.appointment_id))

        async def verify(each: Sent, code: str) -> str:
            answer = await world.otp.verify(
                each.handle, str(ids.new_id()), code, language="hi", notice="1", consent=False, now=world.now
            )
            return answer.result

        async def wrong(number: int) -> None:
            assert await verify(sent[number], wrong_code(sent[number].code or "")) == "wrong"

        async def right(number: int) -> None:
            assert await verify(sent[number], sent[number].code or "") == "verified"

        found.append(await measure("verify wrong", valkey, wrong, requests, at_once))
        async with world.browser() as browser:

            async def page(number: int) -> None:
                form = {"notice": "1", "lang": "hi", "request_id": str(ids.new_id())}
                code = wrong_code(sent[number].code or "", 2)
                answer = await browser.post(f"/c/{sent[number].handle}", data={**form, "code": code})
                assert answer.status_code == 422

            found.append(await measure("page, wrong", valkey, page, requests, at_once))
        found.append(await measure("verify right", valkey, right, requests, at_once))
        return found


def main() -> None:
    """Start what is needed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=16)
    asked = parser.parse_args()
    if asked.url:
        table(asyncio.run(figures(asked.url, asked.requests, asked.at_once)))
        return
    folder = fresh_test_folder()
    server = Valkey(find().valkey, folder, None)
    try:
        drive(server.starting())
        table(asyncio.run(figures(server.url(), asked.requests, asked.at_once)))
    finally:
        if server.child is not None:
            server.child.end()
        folder.close()


def table(found: Sequence[Figure]) -> None:
    """Print it, with each line's cost over the bare script."""
    print(f"{'':14}{'req/s':>9}{'CPU us':>9}{'x floor':>9}{'p50 ms':>9}{'p99 ms':>9}{'Valkey core':>13}")
    for each in found:
        times = each.cpu_us / found[0].cpu_us
        print(
            f"{each.name:14}{each.rate:9.0f}{each.cpu_us:9.0f}{times:9.1f}{each.p50_ms:9.2f}{each.p99_ms:9.2f}"
            f"{each.valkey_core:13.2f}"
        )


if __name__ == "__main__":
    main()
