"""A chaos run: people live, processes die at counted points, and the audit says whether anything was lost."""

import asyncio
import random  # noqa: TID251  seeded and printed: a failure can be replayed
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stack.audit import Act, Audit, Notebook, audit
from stack.audit.quiet import until_quiet
from stack.chaos.people import PATIENCE, World, live, seat
from stack.chaos.plan import Strike, strikes, ways
from stack.chaos.site import Site, settle
from stack.demo.http import Api
from stack.demo.recorder import Recorder
from stack.fixture import MadeUp, Size, booths, people, table

AT_ONCE = 16
"""People at the same time."""
QUIET_SECONDS = 400.0
"""After the last person: a lease of 30 s, what was in doubt is attempted anew, consumers rejoin after their session."""
Career = Callable[[Callable[[], None]], Awaitable[Act]]
"""Somebody's life, told of each step."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How much, and how hard. One in `one_in` calls to the carrier meets each of the three faults."""

    appointments: int = 300
    seed: int = 1
    kills: int = 24
    one_in: int = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """Something else than a kill, at a counted point."""

    step: int
    act: Callable[[], Coroutine[None, None, None]]


@dataclass(slots=True)
class Clock:
    """Counts steps; strikes wait for a count, never for a time."""

    steps: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def step(self) -> None:
        """One more step is done."""
        self.steps += 1
        self._changed.set()

    def finish(self, count: int) -> None:
        """Nobody does anything any more: what somebody gave up on counts as done."""
        self.steps = max(self.steps, count)
        self._changed.set()

    async def until(self, count: int) -> None:
        """Return at the step with this number, before anybody else goes on."""
        while self.steps < count:
            self._changed.clear()
            await self._changed.wait()


async def prepare(world: World, scenario: Scenario) -> tuple[list[str], list[MadeUp]]:
    """Units, phones, a subscriber who is told everything, faults of the providers; returns units and people."""
    size = Size(scenario.appointments // 7 + 2, scenario.seed)
    rows, everybody = list(booths(size)), list(people(scenario.appointments + 1, scenario.seed))
    await world.recorder.load(table(rows).encode())
    phones = [{"phone": person.phone, "name": "Anita", "language": "hi", "telegram": True} for person in everybody]
    for start in range(0, len(phones), 500):
        await world.control.post("/control/seed", {"phones": phones[start : start + 500]})
    await world.recorder.subscribe(rows[0].code, everybody.pop())
    for fault in _faults(scenario.one_in):
        await world.control.post("/control/faults", fault)
    return [row.code for row in rows], everybody


def _faults(one_in: int) -> list[dict[str, object]]:
    """1 % refused for their rate, 1 % broken, 1 % taken and then not answered within the caller's 10 s."""
    sms = {"api": "sms", "method": "send", "times": None}
    telegram = {"api": "telegram", "method": "sendMessage", "times": None}
    return [
        {**sms, "every": one_in - 3, "status": 429, "retry_after": 1},
        {**sms, "every": one_in + 1, "status": 503},
        {**sms, "every": one_in + 3, "stage": "after", "hang": 14},
        {**telegram, "every": one_in - 3, "status": 429, "retry_after": 1},
        {**telegram, "every": one_in + 1, "status": 502},
    ]


async def run(
    site: Site,
    scenario: Scenario,
    console: Console,
    *,
    victims: Sequence[str] | None = None,
    happenings: Sequence[Happening] = (),
    complete: bool = True,
) -> Audit:
    """Everybody lives, everything named in `victims` (None: all) dies and comes back, what else is to happen happens,
    then all is audited; not `complete`: the broker came back empty."""
    luck = random.Random(scenario.seed)  # noqa: S311
    does = ways(scenario.appointments)
    hit = [name for name in site.victims if name != "broker"] if victims is None else victims
    steps = sum(way.steps for way in does)
    planned = strikes(luck, steps, hit, scenario.kills) if hit else []
    told = ", ".join(f"{each.victim} at {each.step}" for each in planned) or "none"
    console.print(f"seed {scenario.seed}, {steps} steps, kills: {told}", highlight=False)
    async with world_of(site) as world:
        units, everybody = await prepare(world, scenario)
        careers = [
            partial(live, world, person, seat(units, number), way)
            for number, (person, way) in enumerate(zip(everybody, does, strict=True))
        ]
        struck = [partial(strike, site, planned), *(partial(_happen, each) for each in happenings)]
        acts = await _lived(struck, careers, steps, console)
    return await judged(site, acts, scenario.appointments, complete=complete)


async def judged(site: Site, acts: Sequence[Act], expected: int, *, complete: bool = True) -> Audit:
    """Wait until everything rests, and audit."""
    await site.ready(*(name for name in site.services if name not in {"relay", "sandbox"}))
    await until_quiet(site.sources, seconds=QUIET_SECONDS)
    with tempfile.TemporaryDirectory() as folder, Notebook(Path(folder) / "audit.sqlite") as notebook:
        notebook.add(Act, acts)
        return await audit(site.sources, notebook, expected=expected, complete=complete)


@asynccontextmanager
async def world_of(site: Site) -> AsyncIterator[World]:
    """What people and recorders use at this site."""
    connector = aiohttp.TCPConnector(limit=4 * AT_ONCE, force_close=True)  # a kept connection dies with its server
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        registry = Api(http, site.url("registry"), token=site.up.endpoints.api_key)
        yield World(http, Api(http, site.url("sandbox")), Recorder(registry, patience=PATIENCE))


async def _lived(
    fates: Sequence[Callable[[Clock], Coroutine[None, None, None]]],
    careers: Sequence[Career],
    steps: int,
    console: Console,
) -> list[Act]:
    clock, gate = Clock(), asyncio.Semaphore(AT_ONCE)
    with _bar(console) as bar:
        task = bar.add_task("people", total=steps)

        def step() -> None:
            clock.step()
            bar.update(task, completed=clock.steps)

        async def gated(career: Career) -> Act:
            async with gate:
                return await career(step)

        async with asyncio.TaskGroup() as striking:
            for fate in fates:
                striking.create_task(fate(clock))
            async with asyncio.TaskGroup() as living:
                lives = [living.create_task(gated(career)) for career in careers]
            clock.finish(steps)
    return [each.result() for each in lives]


async def _happen(happening: Happening, clock: Clock) -> None:
    await clock.until(happening.step)
    await happening.act()


async def strike(site: Site, planned: Sequence[Strike], clock: Clock) -> None:
    """Kill at each counted point; several may be away at once, but of the nodes of a cluster only one."""
    away: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        for each in planned:
            await clock.until(each.step)
            rivals = [name for name in away if name == each.victim or _same_cluster(name, each.victim)]
            for rival in rivals:
                await away.pop(rival)
            site.kill(each.victim)
            away[each.victim] = group.create_task(_back(site, each))


def _same_cluster(one: str, other: str) -> bool:
    return one.startswith("kafka-") and other.startswith("kafka-")


async def _back(site: Site, each: Strike) -> None:
    await settle(each.away)
    await site.start(each.victim)


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
