"""Plays the demo on a running installation and says whether all expectations are met."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from rich.console import Console

from shared.clock import utc_now
from stack.demo.cast import CAST, Behaviour, Seat, Worker, cast
from stack.demo.http import Api, Refused
from stack.demo.phones import NothingCame, Phone
from stack.demo.recorder import Recorder, TookTooLong
from stack.demo.score import Line, Score
from stack.demo.show import progress
from stack.demo.workers import Scene, Stage, act
from stack.endpoints import Endpoints
from stack.fixture import Booth, MadeUp, Size, booths, people, table

PATIENCE = 60.0
"""Seconds that a worker waits for one thing: an SMS, a chat message, a state."""
AT_ONCE = 8
"""Appointments being recorded at the same time, as by a few recorders."""
CHANNELS = -1_001_000_000_000
"""Ids of the channels in the sandbox are below this."""

_PEOPLE = 2 * sum(CAST.values())
FAILURES = (Refused, NothingCame, TookTooLong, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True)
class Theatre:
    """The installation as the demo uses it."""

    stage: Stage
    registry: Api
    sandbox: Api
    console: Api


@asynccontextmanager
async def theatre(endpoints: Endpoints) -> AsyncIterator[Theatre]:
    """Clients for a running installation."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE + 15)) as http:
        registry = Api(http, endpoints.services["registry"], token=endpoints.api_key)
        sandbox = Api(http, endpoints.services["sandbox"])
        stage = Stage(
            http, lambda number: Phone(sandbox, number, patience=PATIENCE), Recorder(registry, patience=PATIENCE)
        )
        yield Theatre(stage, registry, sandbox, Api(http, endpoints.services["console"]))


async def load(theatre: Theatre) -> None:
    """Loads the district, its phones, a channel for each committee of the demo, and a member who is told by SMS."""
    size = Size()
    rows, everybody = list(booths(size)), list(people(_PEOPLE + 1, size.seed))
    accepted, rejected = await theatre.stage.recorder.load(table(rows).encode())
    if rejected:
        raise Refused(f"{rejected} of {accepted + rejected} booths of the fixture were rejected", 0)
    channels = [{"title": booth.booth_name_hi or booth.booth_name, "chat_id": _channel(booth)} for booth in _units()]
    await theatre.sandbox.post(
        "/control/seed", {"phones": [_phone(person) for person in everybody], "channels": channels}
    )
    for booth in _units():
        await theatre.stage.recorder.announce_in(booth.code, _channel(booth))
    member = everybody[-1]
    await theatre.stage.recorder.subscribe(rows[0].code, member)
    await theatre.sandbox.post(f"/control/phones/{member.phone}/join", {"chat_id": _channel(rows[0])})


async def play(theatre: Theatre, console: Console) -> Score:
    """Plays all workers; what fails stands in the score."""
    size = Size()
    workers = cast(list(booths(size)), people(_PEOPLE, size.seed), CAST)
    for worker in workers:
        if worker.behaviour is Behaviour.DEAD_NUMBER:
            await theatre.stage.phone_of(worker.person.phone).become("dead")
    score, gate = Score(), asyncio.Semaphore(AT_ONCE)
    lines = {seat: Line(worker.behaviour, seat) for worker in workers for seat in worker.seats}
    score.lines = list(lines.values())
    async with progress(console, score), asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(_career(theatre.stage, worker, lines, gate))
    score.problems += [*await _announcements(theatre, score.lines), *await _dead_letters(theatre)]
    return score


async def _announcements(theatre: Theatre, lines: Sequence[Line]) -> list[str]:
    """The channel of each committee has one post for each appointment that was verified there."""
    wanted = Counter(line.seat.unit for line in lines if line.state == "verified")
    deadline = time.monotonic() + PATIENCE
    while True:
        posts = {booth.code: await _posts(theatre, booth) for booth in _units()}
        wrong = [f"{count} for {wanted[unit]} in {unit}" for unit, count in posts.items() if count != wanted[unit]]
        if not wrong:
            return []
        if time.monotonic() > deadline:
            return [f"posts in the channels for verified appointments: {', '.join(wrong)}"]
        await asyncio.sleep(0.5)


async def _posts(theatre: Theatre, booth: Booth) -> int:
    shown = await theatre.sandbox.get(f"/control/channels/{_channel(booth)}")
    return sum(message["from_bot"] and not message["deleted"] for message in shown["messages"])


def _units() -> list[Booth]:
    """The committees that the cast sits on."""
    rows = list(booths(Size()))
    used = {seat.unit for worker in cast(rows, people(_PEOPLE), CAST) for seat in worker.seats}
    return [booth for booth in rows if booth.code in used]


def _channel(booth: Booth) -> int:
    """The committee's channel in the sandbox; one each, because a bot may post 20 times a minute in a chat."""
    return CHANNELS - booth.part_no


async def _career(stage: Stage, worker: Worker, lines: dict[Seat, Line], gate: asyncio.Semaphore) -> None:
    """All appointments of one worker, one after the other."""
    for number, seat in enumerate(worker.seats):
        line = lines[seat]
        try:
            await _appointment(stage, worker, line, gate, again=number > 0)
        except FAILURES as failure:
            line.problem = str(failure) or type(failure).__name__
            return


async def _appointment(stage: Stage, worker: Worker, line: Line, gate: asyncio.Semaphore, *, again: bool) -> None:
    phone = stage.phone_of(worker.person.phone)
    seen = await phone.newest()
    async with gate:
        began = time.monotonic()
        line.appointment = await stage.recorder.record(line.seat, worker.person, utc_now())
        line.state = "recorded"
    await act(Scene(stage, worker, phone, line.appointment, seen), again=again)
    line.state = await stage.recorder.until_state(line.appointment, line.behaviour.ends)
    line.ended = time.monotonic()
    line.seconds = line.ended - began


async def _dead_letters(theatre: Theatre) -> list[str]:
    """Nothing may have been given up on."""
    rows = await theatre.console.get("/v1/dead")
    return [f"{row['count']} dead letters of {row['group']} in {row['topic']}: {row['reason']}" for row in rows]


def _phone(person: MadeUp) -> dict[str, object]:
    first, _, last = (person.name_hi if person.language == "hi" else person.name_en).partition(" ")
    return {"phone": person.phone, "name": first, "last_name": last, "language": person.language, "telegram": True}
