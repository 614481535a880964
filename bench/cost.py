"""What one appointment costs: CPU milliseconds by process, from the way in to the code at the carrier, at saturation.

    .venv/bin/python -m bench.cost [--count 2000] [--way post|import] [--at-once 32] [--receipts never|normal]
                                   [--kafka host:port] [--profile registry --py-spy path/to/py-spy]

Starts the whole system, leaves it idle for some seconds, sends `--count` appointments and waits until all messages
are at the carrier and the rest has been handled. The cost is a slope: CPU of the run less the idle CPU of the same
time, over the appointments. User and system time come from /proc, so other work on the machine disturbs little.
Nobody confirms. `--profile` writes folded stacks of these processes (py-spy is not a package of ours) and sums them
up by place.
"""

import argparse
import asyncio
import csv
import io
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.flow import OURS, POSTS, Bench, hindi, load_units
from stack.fixture import Size, booths
from stack.folder import fresh_test_folder
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, running

IDLE_SECONDS = 6.0
SETTLE_SECONDS = 3.0
"""After the last message: receipts and events that follow are handled, and belong to the cost."""
WARM = 300
"""Appointments before anything is counted: plans, caches and connections are there."""


@dataclass(frozen=True)
class Run:
    """What was asked for."""

    count: int
    way: str
    at_once: int
    receipts: str
    kafka: str | None
    profile: Sequence[str]
    py_spy: str


@dataclass(frozen=True)
class Cost:
    """What it took."""

    idle: dict[str, float]
    """CPU milliseconds a second while nothing happens."""
    busy: dict[str, float]
    """CPU milliseconds of the run."""
    taken: float
    """Seconds until the last appointment was taken in."""
    arrived: float
    """Seconds until the last message was at the carrier."""
    settled: float
    rss: dict[str, float]

    def each(self, name: str, count: int) -> float:
        """CPU milliseconds per appointment of one process."""
        return (self.busy[name] - self.idle[name] * self.settled) / count


class Carrier:
    """Counts what arrived, new messages only."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._after = 0
        self.count = 0

    async def look(self) -> int:
        """Messages so far."""
        query = {"after": self._after, "limit": 50_000}
        async with self._bench.http.get(self._bench.url("sandbox", "/control/sms"), params=query) as response:
            new = await response.json()
        if new:
            self._after = max(each["seq"] for each in new)
        self.count += len(new)
        return self.count

    async def until(self, count: int) -> None:
        """Wait for this many; raise when nothing comes for a minute."""
        last = time.monotonic()
        before = self.count
        while await self.look() < count:
            if self.count != before:
                before, last = self.count, time.monotonic()
            if time.monotonic() - last > 60:
                raise RuntimeError(f"{self.count} of {count} messages arrived")
            await asyncio.sleep(0.25)


async def post(bench: Bench, count: int, at_once: int) -> None:
    """Record one by one, `at_once` requests under way."""
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for _ in left:
            await bench.record()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_the_other())


async def upload(bench: Bench, count: int) -> None:
    """Import as one CSV file, in mode invite."""
    headers = {"authorization": f"Bearer {bench.up.endpoints.api_key}"}
    url = bench.url("registry", "/v1/imports/appointments")
    async with bench.http.post(url, data="".join(sheet(bench, count)).encode(), headers=headers) as response:
        job = await response.json()
    while job["state"] == "running":
        await asyncio.sleep(0.2)
        async with bench.http.get(bench.url("registry", f"/v1/imports/{job['id']}"), headers=headers) as response:
            job = await response.json()
    if (job["state"], job["accepted"]) != ("done", count):
        raise RuntimeError(f"import: {job}")


def sheet(bench: Bench, count: int) -> Iterator[str]:
    """An appointment list, a committee after the other."""
    columns = ("unit", "post", "name_hi", "phone", "notice_version", "notice_language", "external_ref")
    for row in (columns, *(line(bench) for _ in range(count))):
        out = io.StringIO()
        csv.writer(out).writerow(row)
        yield out.getvalue()


def line(bench: Bench) -> tuple[str, ...]:
    bench.number += 1
    number = bench.number
    unit, post_code = bench.units[number // len(POSTS)], POSTS[number % len(POSTS)]
    return (unit, post_code, f"अनीता {hindi(number)}", f"+91555{number:07d}", "1", "hi", f"bench-{number}")


async def measure(bench: Bench, run: Run) -> Cost:
    """Warm up, look at the idle cost, run."""
    carrier = Carrier(bench)
    body = {"receipts": run.receipts, "delay": 0.2, "late_by": 30.0}
    async with bench.http.put(bench.url("sandbox", "/control/carrier"), json=body) as response:
        response.raise_for_status()
    await send(bench, run, WARM)
    await carrier.until(WARM)
    await asyncio.sleep(SETTLE_SECONDS)
    before, began = bench.cpu(), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    idle = spent(before, bench.cpu(), 1000 / (time.monotonic() - began))
    profilers = [await profiler(bench, run, name) for name in run.profile]
    before, began = bench.cpu(), time.monotonic()
    await send(bench, run, run.count)
    taken = time.monotonic() - began
    await carrier.until(WARM + run.count)
    arrived = time.monotonic() - began
    await asyncio.sleep(SETTLE_SECONDS)
    busy, settled = spent(before, bench.cpu(), 1000), time.monotonic() - began
    for process in profilers:
        process.send_signal(2)
        await process.wait()
    return Cost(idle, busy, taken, arrived, settled, bench.rss())


async def send(bench: Bench, run: Run, count: int) -> None:
    await (post(bench, count, run.at_once) if run.way == "post" else upload(bench, count))


def spent(before: dict[str, float], after: dict[str, float], factor: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) * factor for name in before}


async def profiler(bench: Bench, run: Run, name: str) -> asyncio.subprocess.Process:
    pid = next(child.pid for child in bench.up.launcher.watched if child.command.name == name)
    return await asyncio.create_subprocess_exec(
        run.py_spy, "record", "--pid", str(pid), "--nonblocking", "--rate", "500", "--duration", "3600",
        "--format", "raw", "--output", folded(name),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


def folded(name: str) -> str:
    return f"/tmp/boothline-{os.getpid()}-{name}.folded"  # noqa: S108


def tell(console: Console, run: Run, cost: Cost) -> None:
    """Prints the figures."""
    console.print(
        f"{run.count} by {run.way}, receipts {run.receipts}: taken in {run.count / cost.taken:.0f}/s, "
        f"at the carrier {run.count / cost.arrived:.0f}/s"
    )
    rows = Table("process", "CPU ms each", "with idle", "idle ms/s", "MB")
    for name in cost.busy:
        rows.add_row(
            name, f"{cost.each(name, run.count):.2f}", f"{cost.busy[name] / run.count:.2f}", f"{cost.idle[name]:.1f}",
            f"{cost.rss[name]:.0f}",
        )  # fmt: skip
    ours = [name for name in cost.busy if name in OURS]
    rows.add_row("ours", f"{sum(cost.each(name, run.count) for name in ours):.2f}",
                 f"{sum(cost.busy[name] for name in ours) / run.count:.2f}")  # fmt: skip
    console.print(rows)
    for name in run.profile:
        tell_profile(console, name)


def tell_profile(console: Console, name: str) -> None:
    """The places of our code, and of libraries, that most samples pass through and end in."""
    passed: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    total = 0
    for entry in Path(folded(name)).read_text(encoding="utf-8").splitlines():
        stack, _, samples = entry.rpartition(" ")
        frames = stack.split(";")
        if any("threading.py" in frame for frame in frames[:3]):  # a thread that waits
            continue
        total += int(samples)
        passed.update(dict.fromkeys({place(frame) for frame in frames}, int(samples)))
        ended[place(frames[-1])] += int(samples)
    rows = Table(f"{name}: passes through", "%", "ends in", "%")
    for (through, many), (last, few) in zip(passed.most_common(45), ended.most_common(45), strict=False):
        rows.add_row(through, f"{100 * many / total:.1f}", last, f"{100 * few / total:.1f}")
    console.print(rows)


def place(frame: str) -> str:
    """`function (file)` without line and folder."""
    function, _, where = frame.partition(" (")
    return f"{function} ({'/'.join(where.rstrip(')').partition(':')[0].split('/')[-2:])})"


async def main(run: Run) -> None:
    console, folder = Console(width=150), fresh_test_folder()
    options = Options(
        kafka=run.kafka, wipe_topics=run.kafka is not None, endpoints_file=folder.path / "endpoints.json",
        log_level="warning", usual_ports=False,
    )  # fmt: skip
    try:
        async with (
            running(folder, options, Report(console), BOOTHLINE) as up,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as http,
        ):
            bench = Bench(up, http, [booth.code for booth in booths(Size(1_500))])
            await load_units(bench)
            tell(console, run, await measure(bench, run))
    finally:
        folder.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--way", choices=("post", "import"), default="post")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--receipts", choices=("never", "normal"), default="never")
    parser.add_argument("--kafka")
    parser.add_argument("--profile", default="")
    parser.add_argument("--py-spy", default="py-spy")
    given = parser.parse_args()
    profiled = [name for name in given.profile.split(",") if name]
    asyncio.run(main(Run(given.count, given.way, given.at_once, given.receipts, given.kafka, profiled, given.py_spy)))
