"""The drill itself: start, import, let people answer, wait for rest, audit, report."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from shared.bus import BusUnavailable
from shared.events.catalogue import GROUPS
from stack.audit import Sources
from stack.audit.quiet import until_quiet
from stack.demo.http import Api, Refused
from stack.drill.outside.carrier import CARRIER_FILE
from stack.drill.sampling import Book, Lag, sample
from stack.drill.site import OUTSIDE, product
from stack.drill.state import POSTS, appointment_files, size_of, unit_files
from stack.fixture import Size
from stack.folder import RunFolder
from stack.report import Report
from stack.running import Options, Running, running

UNITS_AT_ONCE = 5_000
BOOTHS_AT_ONCE = 1_000
"""Rows and booths of one file: some 2 MB."""
SAMPLE_SECONDS = 2.0
IDLE_SECONDS = 600.0
"""Without any progress for so long, it hangs."""
_LOOK = 1.0


class Stuck(RuntimeError):
    """Nothing moves any more."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How much of the state, who answers, and where the report goes."""

    scale: float
    answers: float = 0.25
    seed: int = 1
    folder: Path = field(default_factory=lambda: Path(".run") / "drill")

    @property
    def size(self) -> Size:
        """Booths."""
        return size_of(self.scale, self.seed)


@dataclass(slots=True)
class Drill:
    """One run."""

    up: Running
    files: Path
    scenario: Scenario
    registry: Api
    outside: Api
    book: Book
    bar: Progress
    began: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def appointments(self) -> int:
        """Of the whole run."""
        return self.scenario.size.booths * len(POSTS)

    @contextmanager
    def phase(self, name: str, total: float) -> Iterator[TaskID]:
        """A bar, and the seconds that it took."""
        started = time.monotonic()
        yield self.bar.add_task(name, total=total)
        self.phases[name] = time.monotonic() - started

    async def go(self) -> None:
        """Import everything and see it through until everything rests."""
        await self._import_units()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_people())
                await self._import_appointments()
        except* (Refused, Stuck) as several:
            raise several.exceptions[0] from several
        with self.phase("at rest", 1) as bar:
            await until_quiet(sources(self.up, self.files), seconds=IDLE_SECONDS)
            self.bar.update(bar, completed=1)

    async def _import_units(self) -> None:
        with self.phase("booths imported", self.scenario.size.booths) as bar:
            for file in unit_files(self.scenario.size, UNITS_AT_ONCE):
                await self._upload("/v1/imports/units", file, bar, preset="in-mp-2014")

    async def _import_appointments(self) -> None:
        with self.phase("appointments imported", self.appointments) as bar:
            for _, file in appointment_files(self.scenario.size, BOOTHS_AT_ONCE):
                await self._upload("/v1/imports/appointments", file, bar)

    async def _upload(self, path: str, file: bytes, bar: TaskID, **query: str) -> None:
        """One file, to its end. Raises Refused when a row was rejected."""
        before = self.bar.tasks[bar].completed
        job = await self.registry.upload(path, file, **query)
        while job["state"] not in {"done", "failed"}:
            await asyncio.sleep(0.2)
            job = await self.registry.get(f"/v1/imports/{job['id']}")
            self.bar.update(bar, completed=before + job["rows"])
        if job["state"] == "failed" or job["rejected"]:
            raise Refused(f"{job['rejected']} rows rejected: {job['problems']} {job['problem'] or ''}", 0)

    async def _watch_people(self) -> None:
        """Until everybody who was recorded has been asked, and everybody who answers has answered."""
        with self.phase("asked", self.appointments) as asked, self.phase("answered", 0) as answered:
            seen, since = -1, time.monotonic()
            while not self._all_done():
                await asyncio.sleep(_LOOK)
                self.counts = await self.outside.get("/counts")
                self.bar.update(asked, completed=min(self.counts.get("messages", 0), self.appointments))
                self.bar.update(answered, completed=self._answered(), total=self.counts.get("will answer", 0))
                if (now := sum(self.counts.values())) != seen:
                    seen, since = now, time.monotonic()
                elif time.monotonic() - since > IDLE_SECONDS:
                    raise Stuck(f"for {IDLE_SECONDS:.0f} s nothing came: {self.counts}")

    def _all_done(self) -> bool:
        """Codes and answers are messages too: each who answers gets a second, who replies a third."""
        messages = self.counts.get("messages", 0)
        more = self._answered() + self.counts.get("replies", 0)
        return messages >= self.appointments + more and self._answered() >= self.counts.get("will answer", 0)

    def _answered(self) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith(("answered", "gave up")))

    async def saying(self, every: float) -> None:
        """Where no bar can be drawn (a log, CI): a line every so many seconds; until cancelled."""
        while True:
            await asyncio.sleep(every)
            told = [f"{task.description} {task.completed:.0f} of {task.total:.0f}" for task in self.bar.tasks]
            self.bar.console.print(f"after {time.monotonic() - self.began:.0f} s: {', '.join(told)}", highlight=False)

    async def sampling(self) -> None:
        """Look at all processes and groups every few seconds; until cancelled."""
        async with sources(self.up, self.files).bus.reader() as reader:
            while True:
                at = time.monotonic() - self.began
                children = [(child.command.name, child.pid) for child in self.up.launcher.watched]
                samples = [found for name, pid in children if (found := sample(at, name, pid))]
                try:
                    behind = await reader.lags(GROUPS)
                    lags = [
                        Lag(round(at, 1), name, sum(each.records for each in behind if each.group == name))
                        for name in GROUPS
                    ]
                except BusUnavailable:
                    lags = []
                self.book.note(samples, lags)
                await asyncio.sleep(SAMPLE_SECONDS)


def sources(up: Running, files: Path) -> Sources:
    """Where the audit looks."""
    return Sources.of(up.services, str(files / CARRIER_FILE))


@asynccontextmanager
async def drill(folder: RunFolder, options: Options, scenario: Scenario, report: Report) -> AsyncIterator[Drill]:
    """Everything started, with its samples and bars."""
    files = folder.path / OUTSIDE
    scenario.folder.mkdir(parents=True, exist_ok=True)
    book = Book(scenario.folder)
    made = product(files, answers=scenario.answers, seed=scenario.seed)
    time_out = aiohttp.ClientTimeout(total=300)
    try:
        async with running(folder, options, report, made) as up, aiohttp.ClientSession(timeout=time_out) as http:
            registry = Api(http, up.endpoints.services["registry"], token=up.endpoints.api_key)
            outside = Api(http, up.endpoints.services[OUTSIDE])
            with _bars(report.console) as bar:
                yield Drill(up, files, scenario, registry, outside, book, bar)
    finally:
        book.close()


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description:>24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)
