"""Where the time goes from POST to the code at the carrier: latency against the floor, CPU by process, highest rate.

    .venv/bin/python -m bench.flow [--appointments 60] [--rates 10,20,40,80] [--kafka host:port]

Starts the whole system on the embedded servers and prints figures; asserts nothing. The floor is measured in the same
run: one PostgreSQL commit, two bare Kafka hops and one bare HTTP call, which is what the flow cannot do without.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.floor import REST, floor
from bench.portal import open_page, sign_in
from bench.processes import cpu_seconds, rss_mb
from stack.fixture import Size, booths, table
from stack.folder import fresh_test_folder
from stack.product import BOOTHLINE
from stack.report import Report
from stack.running import Options, Running, running

POSTS = ("president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna", *("member",) * 5)


@dataclass
class Bench:
    """The running system, and what it has been asked so far."""

    up: Running
    http: aiohttp.ClientSession
    units: list[str]
    number: int = 0
    embedded: bool = True
    """The broker is the embedded one."""

    def url(self, service: str, path: str) -> str:
        return self.up.endpoints.services[service] + path

    async def record(self) -> tuple[str, float]:
        """Record one appointment; returns the phone and the moment before the request."""
        self.number += 1
        unit, post = self.units[self.number // len(POSTS)], POSTS[self.number % len(POSTS)]
        phone = f"+91555{self.number:07d}"
        body = {
            "unit": unit,
            "post": post,
            "person": {"name": {"hi": f"अनीता {hindi(self.number)}"}, "language": "hi"},
            "phone": phone,
            "notice": {"version": "1", "language": "hi"},
        }
        headers = {"authorization": f"Bearer {self.up.endpoints.api_key}"}
        started = time.time()
        async with self.http.post(self.url("registry", "/v1/appointments"), json=body, headers=headers) as response:
            if response.status != 201:
                raise RuntimeError(f"{response.status} {await response.text()}")
        return phone, started

    async def arrival(self, phone: str) -> float:
        """When the carrier got the SMS for this phone."""
        query: dict[str, str | int] = {"kind": "sms", "phone": phone, "timeout": 60}
        async with self.http.get(self.url("sandbox", "/control/wait"), params=query) as response:
            found = await response.json()
        return float(found["sms"]["at"])

    async def counted(self) -> int:
        """SMS at the carrier so far."""
        query = {"limit": 50_000}
        async with self.http.get(self.url("sandbox", "/control/sms"), params=query) as response:
            return len(await response.json())

    def cpu(self) -> dict[str, float]:
        """CPU seconds of every process so far."""
        return {child.command.name: cpu_seconds(child.pid) for child in self.up.launcher.watched}

    def rss(self) -> dict[str, float]:
        """MB in memory, by process."""
        return {child.command.name: rss_mb(child.pid) for child in self.up.launcher.watched}


def hindi(number: int) -> str:
    return "".join("कखगघचछजझटठ"[int(digit)] for digit in f"{number:06d}")


async def idle(bench: Bench, count: int) -> list[float]:
    """Milliseconds from POST to the SMS at the carrier, one after the other, each after a rest."""
    seen = []
    for _ in range(count):
        await asyncio.sleep(REST)
        phone, started = await bench.record()
        seen.append((await bench.arrival(phone) - started) * 1000)
    return seen


async def shown(bench: Bench, count: int) -> list[float]:
    """Milliseconds from POST to the frame of the open page of that unit, one after the other."""
    session, seen = await sign_in(bench.up.endpoints.sign_in), []
    try:
        for _ in range(count):
            unit = bench.units[(bench.number + 1) // len(POSTS)]
            async with open_page(session, f"/units/{unit}") as frames:
                await asyncio.sleep(REST)
                _, started = await bench.record()
                seen.append((await anext(frames) - started) * 1000)
    finally:
        await session.close()
    return seen


async def load(bench: Bench, rate: float, seconds: float) -> dict[str, float]:
    """An open loop of `rate` appointments a second; what came of it."""
    before, rss, sent = bench.cpu(), bench.rss(), await bench.counted()
    started, arrivals = time.time(), []
    async with asyncio.TaskGroup() as group:

        async def one() -> float:
            phone, at = await bench.record()
            return (await bench.arrival(phone) - at) * 1000

        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.time()))
            arrivals.append(group.create_task(one()))
    seen = [arrival.result() for arrival in arrivals]
    half = len(seen) // 2
    after, grown = bench.cpu(), bench.rss()
    per = {f"cpu {name}": (after[name] - before[name]) * 1000 / len(seen) for name in before}
    return {
        "sent": await bench.counted() - sent,
        "took": time.time() - started,
        "p50": statistics.median(seen),
        "p99": quantile(seen, 0.99),
        "first half p50": statistics.median(seen[:half]),
        "second half p50": statistics.median(seen[half:]),
        "rss grown": sum(grown.values()) - sum(rss.values()),
        **per,
    }


def quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


async def main(appointments: int, rates: Sequence[float], seconds: float, kafka: str | None) -> None:
    console, folder = Console(width=110), fresh_test_folder()
    options = Options(
        kafka=kafka, wipe_topics=kafka is not None, usual_ports=False, endpoints_file=folder.path / "endpoints.json",
        log_level="warning",
    )  # fmt: skip
    try:
        async with (
            running(folder, options, Report(console), BOOTHLINE) as up,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http,
        ):
            bench = Bench(up, http, [booth.code for booth in booths(Size(1_500))], embedded=kafka is None)
            await load_units(bench)
            await idle(bench, 10)
            least = await floor(bench)
            seen, on_page = await idle(bench, appointments), await shown(bench, appointments // 2)
            tell_idle(console, least, {"the SMS at the carrier": seen, "the open page of the portal": on_page})
            if rates:
                tell_load(console, [(rate, await load(bench, rate, seconds)) for rate in rates], bench.rss())
    finally:
        folder.close()


async def load_units(bench: Bench) -> None:
    headers = {"authorization": f"Bearer {bench.up.endpoints.api_key}"}
    url, body = bench.url("registry", "/v1/imports/units"), table(booths(Size(1_500))).encode()
    async with bench.http.post(url, params={"preset": "in-mp-2014"}, data=body, headers=headers) as response:
        job = await response.json()
    while job["state"] not in {"done", "failed"}:
        await asyncio.sleep(0.2)
        async with bench.http.get(bench.url("registry", f"/v1/imports/{job['id']}"), headers=headers) as response:
            job = await response.json()


def tell_idle(console: Console, least: dict[str, float], runs: dict[str, list[float]]) -> None:
    rows = Table("idle, one at a time", "ms", "times the floor")
    total = sum(least.values())
    for name, value in least.items():
        rows.add_row(f"floor: {name}", f"{value:.2f}", "")
    rows.add_row("floor", f"{total:.2f}", "1.0")
    for name, seen in runs.items():
        for label, value in (("p50", statistics.median(seen)), ("p99", quantile(seen, 0.99))):
            rows.add_row(f"POST to {name}, {label}", f"{value:.1f}", f"{value / total:.1f}")
    console.print(rows)


def tell_load(console: Console, runs: Sequence[tuple[float, dict[str, Any]]], rss: dict[str, float]) -> None:
    rows = Table("appointments/s", *(f"{rate:g}" for rate, _ in runs))
    for name in runs[0][1]:
        rows.add_row(name if not name.startswith("cpu") else f"{name}, ms each", *(f"{r[name]:.1f}" for _, r in runs))
    ours = [sum(v for n, v in r.items() if n.startswith("cpu") and n[4:] in OURS) for _, r in runs]
    rows.add_row("cpu of our processes, ms each", *(f"{each:.1f}" for each in ours))
    console.print(rows)
    memory = Table("process", "MB in memory at the end")
    for name, value in rss.items():
        memory.add_row(name, f"{value:.0f}")
    console.print(memory)


OURS = {"registry", "otp", "notifier"}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--appointments", type=int, default=60)
    parser.add_argument("--rates", default="10,20,40,80")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--kafka", help="host:port of a Kafka to use instead of the embedded broker; its topics go")
    given = parser.parse_args()
    rates = [float(rate) for rate in given.rates.split(",") if rate]
    asyncio.run(main(given.appointments, rates, given.seconds, given.kafka))
