"""The notifier alone: messages a second and CPU milliseconds a message, for both lanes, with and without receipts.

    .venv/bin/python -m bench.notifier [--messages 3000] [--rate 20] [--delay 0.0] [--lanes urgent]

Starts the embedded servers and the notifier as a process; requests go straight into its topics, a carrier that takes
everything at once stands at the other end (`bench/carrier.py`). CPU is the difference over `--messages` messages that
wait when it begins, after a warm-up, from the first record to the last receipt and the last event published. Prints
figures, asserts nothing.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
from rich.console import Console
from rich.table import Table

from bench.processes import cpu_seconds, rss_mb
from services.notifier.migrations import migrate
from shared.bus import Connection, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import Record, encode
from stack import ports
from stack.embedded import Postgres, Tansu, Valkey, find
from stack.embedded.starting import drive
from stack.folder import RunFolder, fresh_test_folder
from tests.integration.notifier.asking import Asking

ROOT = Path(__file__).parents[1]
WARM = 300
RECEIPTS = "queued,sent,delivered"
"""What Twilio calls back for a message that arrives."""
OPEN = """
SELECT (SELECT count(*) FROM message WHERE state IN ('queued', 'sending'))
  + (SELECT count(*) FROM outbox WHERE published_at IS NULL)
"""


@dataclass
class Bench:
    """Everything that runs."""

    asking: Asking
    kafka: str
    database_url: str
    pids: dict[str, int]
    carrier: str
    notifier: str
    with_receipts: bool
    sent: int = 0
    http: aiohttp.ClientSession = field(init=False)
    database: asyncpg.Connection = field(init=False)

    def records(self, lane: str, count: int) -> list[Record]:
        """Requests, encoded; each for a phone and an appointment of its own."""
        make = self.asking.invitation if lane == "urgent" else self.asking.announcement
        self.sent += count
        return [encode(make(f"+91555{self.sent - n:07d}")) for n in range(count)]

    async def at_the_carrier(self) -> tuple[int, int]:
        """Messages taken, callbacks answered."""
        async with self.http.get(self.carrier) as response:
            taken, confirmed = await response.json()
        return taken, confirmed

    async def drained(self, total: int) -> float:
        """Wait until everything is over; returns the moment at which the carrier had all."""
        had_all = 0.0
        while True:
            taken, confirmed = await self.at_the_carrier()
            had_all = had_all or (time.perf_counter() if taken >= total else 0.0)
            receipts = confirmed >= 3 * total or not self.with_receipts
            if had_all and receipts and not await self.database.fetchval(OPEN):
                return had_all
            await asyncio.sleep(0.05)

    async def run(self, lane: str, count: int, rate: float) -> dict[str, float]:
        """One figure for each column; `rate` messages a second, or all at once for 0."""
        records = self.records(lane, count)
        before, _ = await self.at_the_carrier()
        async with Producer(Connection(self.kafka, "bench", ephemeral=True)) as producer:
            cpu = self.cpu()
            started = time.perf_counter()
            for number, record in enumerate(records if rate else ()):
                await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
                await producer.publish([record])
            await producer.publish([] if rate else records)
            had_all = await self.drained(before + count)
        used = {name: (seconds - cpu[name]) * 1000 / count for name, seconds in self.cpu().items()}
        rate, over = count / (had_all - started), time.perf_counter() - started
        return {"messages/s": rate, "s until all is over": over, "notifier MB": rss_mb(self.pids["notifier"]), **used}

    def cpu(self) -> dict[str, float]:
        """CPU seconds of every process so far."""
        return {f"cpu ms {name}": cpu_seconds(pid) for name, pid in self.pids.items()}


@contextmanager
def bench(folder: RunFolder, statuses: str, delay: float, module: Sequence[str]) -> Iterator[Bench]:
    """Servers, carrier and notifier."""
    binaries, asking = find(), Asking(utc_now())
    with ExitStack() as stack:
        postgres = Postgres(binaries, folder, None, ("notifier",), durable=True)
        valkey, broker = Valkey(binaries.valkey, folder, None), Tansu(binaries.tansu, folder, None)
        pids = {}
        for name, server in (("PostgreSQL", postgres), ("Valkey", valkey), ("broker", broker)):
            pids[name] = _started(stack, server)
        url = postgres.url("notifier")
        migrate(url)
        asyncio.run(ensure_topics(Connection(broker.bootstrap, "bench", ephemeral=True)))
        port, carrier = ports.pick(None), ports.pick(None)
        arguments = [str(carrier), asking.keys.twilio_token, "--statuses", statuses, "--delay", str(delay)]
        pids["carrier"] = _child(stack, ["-m", "bench.carrier", *arguments], {"PATH": os.environ["PATH"]})
        urls = {
            "DATABASE_URL": url, "VALKEY_URL": valkey.url(), "KAFKA": broker.bootstrap,
            "TWILIO_BASE_URL": f"http://127.0.0.1:{carrier}", "PUBLIC_URL": f"http://127.0.0.1:{port}",
        }  # fmt: skip
        environment = {f"NOTIFIER_{k}": v for k, v in {**_settings(asking), **urls, "PORT": str(port)}.items()}
        pids["notifier"] = _child(stack, module, environment)
        yield Bench(
            asking, broker.bootstrap, url, pids, f"http://127.0.0.1:{carrier}/", f"http://127.0.0.1:{port}",
            bool(statuses),
        )  # fmt: skip


def _started(stack: ExitStack, server: Postgres | Valkey | Tansu) -> int:
    drive(server.starting())
    assert server.child is not None
    stack.callback(server.child.end)
    return server.child.pid


def _settings(asking: Asking) -> dict[str, str]:
    keys = asking.keys
    return {
        "SANDBOX": "true", "KAFKA_EPHEMERAL": "true", "SEAL_KEY": keys.seal["notifier"], "LOG_LEVEL": "warning",
        "SEAL_PEERS": keys.seal_peers, "FINGERPRINT_KEYS": keys.fingerprint, "STORE_KEYS": keys.store,
        "TWILIO_FROM": "+15005550006", "TWILIO_ACCOUNT_SID": keys.twilio_account, "SMS_RESERVED": "0",
        "TWILIO_AUTH_TOKEN": keys.twilio_token, "TEST_NUMBER_PREFIXES": json.dumps(["+91555"]),
        "SMS_PER_SECOND": "10000",
    }  # fmt: skip


def _child(stack: ExitStack, arguments: Sequence[str], environment: dict[str, str]) -> int:
    child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)
    stack.callback(child.wait, 60)
    stack.callback(child.terminate)
    return child.pid


async def measured(up: Bench, lanes: Sequence[str], count: int, rate: float) -> dict[str, dict[str, float]]:
    """Figures by lane, each after a warm-up."""
    up.database = await asyncpg.connect(up.database_url)
    async with aiohttp.ClientSession() as up.http:
        await _ready(up)
        found = {}
        for lane in lanes:
            await up.run(lane, WARM, 0)
            found[lane] = await up.run(lane, count, rate)
    await up.database.close()
    return found


async def _ready(up: Bench) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                async with up.http.get(f"{up.notifier}/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)


def main(given: argparse.Namespace) -> None:
    columns: dict[str, dict[str, float]] = {}
    for with_receipts in (name == "with" for name in given.receipts.split(",")):
        folder = fresh_test_folder()
        try:
            with bench(folder, RECEIPTS if with_receipts else "", given.delay, given.run.split()) as up:
                found = asyncio.run(measured(up, given.lanes.split(","), given.messages, given.rate))
        finally:
            folder.close()
        columns |= {f"{lane}, {'three' if with_receipts else 'no'} receipts": found[lane] for lane in found}
    table = Table(f"{given.messages} messages", *columns)
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{figures[name]:.2f}" for figures in columns.values()))
    Console(width=130).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second instead of all at once")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that the carrier takes for an answer")
    parser.add_argument("--lanes", default="urgent,bulk")
    parser.add_argument("--receipts", default="with,without")
    parser.add_argument("--run", default="-m services.notifier", help="how the notifier is started, for a profiler")
    main(parser.parse_args())
