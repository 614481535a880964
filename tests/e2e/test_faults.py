"""What breaks under the services is said in /ready and in the log, and when it is over nothing is lost."""

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from rich.console import Console

from shared import ids
from shared.clock import utc_now
from stack.audit.reading.carrier import phone_hash
from stack.audit.story import Act
from stack.audit.table import tell
from stack.chaos.people import World, patiently, seat
from stack.chaos.site import Site, settle, site
from stack.chaos.striking import Scenario, judged, prepare, world_of
from stack.demo.cast import Seat
from stack.demo.http import Refused
from stack.demo.page import Page
from stack.demo.phones import Phone, Text
from stack.drill.outside.texts import hidden
from stack.fixture import MadeUp
from stack.folder import fresh_test_folder
from stack.report import Report
from stack.running import Options
from tests.e2e.fullness import full, grown

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800), pytest.mark.asyncio(loop_scope="module")]

CODE_MS = 600_000
"""A code lives ten minutes at most (NIST SP 800-63B 5.1.3.2)."""
HOUR = 3600.0


@dataclass
class Invited:
    """Somebody who has been asked."""

    appointment: str
    phone: Phone
    person: MadeUp
    asks: int = 0
    ends: str = "recorded"

    async def invitation(self, after: int = 0) -> Text:
        """The SMS with code and link."""
        return await patiently(lambda: self.phone.sms(after=after, contains="/c/"))


@dataclass
class Stage:
    """A running system, people who are not recorded yet, and everybody who is."""

    site: Site
    world: World
    clock: Path
    people: Iterator[tuple[MadeUp, Seat]]
    invited: list[Invited] = field(default_factory=list)

    async def record(self) -> Invited:
        """The next person is recorded; a registry that is away is tried again."""
        person, where = next(self.people)
        now = utc_now()
        made = await patiently(lambda: self.world.recorder.record(where, person, now))
        self.invited.append(Invited(made, self.world.phone(person), person))
        return self.invited[-1]

    async def confirm(self, who: Invited, message: Text) -> None:
        """Types the code on the page."""
        await patiently(lambda: Page(self.world.http, message.link).confirm(message.code))
        who.ends = "verified"

    async def broken(self, service: str, part: str, code: str) -> None:
        """Wait until /ready says of `part` that it is broken, and why: on a busy machine something else may be said
        before."""

        async def look() -> None:
            async with self.world.http.get(f"{self.site.url(service)}/ready") as answer:
                found: dict[str, Any] = await answer.json()
            if code not in found.get("broken", {}).get(part, ""):
                raise Refused(f"{part} is not {code}: {found}", 503)

        await patiently(look, seconds=60)

    async def logged(self, service: str, words: str) -> None:
        """Wait until a service has written this into its log."""

        async def look() -> None:
            if words not in self.said(service):
                raise Refused(f"{service} has not said {words}", 503)

        await patiently(look, seconds=60)

    def said(self, service: str) -> str:
        """The log of a service."""
        return (Path(self.site.up.endpoints.logs) / f"{service}.log").read_text(encoding="utf-8")

    async def sound(self) -> None:
        """Everything of this and the tests before is audited."""
        console = Console(width=110)
        acts = [Act(each.appointment, each.ends, each.asks, phone_hash(each.person.phone)) for each in self.invited]
        result = await judged(self.site, acts, len(acts))
        tell(result, console)
        assert not result.kinds, result.findings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Started once; each test records people of its own."""
    folder, held = tmp_path_factory.mktemp("faults"), fresh_test_folder()
    clock = folder / "clock"
    clock.write_text("0", encoding="ascii")
    options, report = Options(endpoints_file=folder / "endpoints.json"), Report(Console())
    try:
        async with site(held, options, report) as made, world_of(made) as world:
            units, everybody = await prepare(world, Scenario(40, one_in=10_000))
            yield Stage(made, world, clock, ((who, seat(units, n)) for n, who in enumerate(everybody)))
    finally:
        held.close()


async def test_valkey_away_for_20_s_is_said_and_nothing_is_lost(stage: Stage) -> None:
    before = [await stage.record() for _ in range(3)]
    asked = [await each.invitation() for each in before]
    stage.site.kill("valkey")
    meanwhile = [await stage.record() for _ in range(3)]
    await stage.broken("otp", "valkey", "valkey_unavailable")
    await stage.logged("otp", '"error_code":"valkey_unavailable"')
    await settle(20)
    await stage.site.start("valkey")
    asked += [await each.invitation() for each in meanwhile]
    for who, message in zip([*before, *meanwhile], asked, strict=True):
        await stage.confirm(who, message)
    await stage.sound()


async def test_a_full_disk_refuses_recordings_says_so_and_loses_nothing(stage: Stage) -> None:
    servers = stage.site.up.servers
    assert servers.postgres.child is not None
    asked = [await (await stage.record()).invitation() for _ in range(2)]
    early = stage.invited[-2:]
    limit = await grown(servers.postgres.url("registry"))
    with full(servers.postgres.child.pid, limit):
        person, where = next(stage.people)
        with pytest.raises(Refused, match="database_full") as refused:
            await stage.world.recorder.record(where, person, utc_now())
        assert refused.value.status == 503
        await stage.broken("registry", "database", "database_full")
        await stage.logged("registry", '"error_code":"database_full"')
        for who, message in zip(early, asked, strict=True):
            await stage.confirm(who, message)
    late = await stage.record()
    await stage.confirm(late, await late.invitation())
    await stage.sound()


async def test_a_clock_that_steps_an_hour_makes_no_code_live_longer_and_loses_nothing(stage: Stage) -> None:
    await with_clock(stage)
    first = await stage.record()
    old = await first.invitation()
    step(stage, HOUR)
    page = await patiently(lambda: typed(stage, old, code=old.code))
    assert "/code" in page, "a code whose ten minutes are over by this clock is no longer taken: a new one is offered"
    await patiently(lambda: typed(stage, old, "/code"))
    first.asks += 1
    await stage.confirm(first, await first.invitation(after=old.seq))
    second = await stage.record()
    ahead = await second.invitation()
    await lives_ten_minutes_at_most(stage, first, HOUR)
    await lives_ten_minutes_at_most(stage, second, HOUR)
    step(stage, 0)
    await stage.confirm(second, ahead)
    third = await stage.record()
    message = await third.invitation()
    step(stage, -HOUR)
    await lives_ten_minutes_at_most(stage, third, 0)
    await stage.confirm(third, message)
    step(stage, 0)
    await stage.sound()


async def with_clock(stage: Stage) -> None:
    """otp again, with a clock that can be set."""
    otp = stage.site.services["otp"]
    stage.site.kill("otp")
    stage.site.add(replace(otp, arguments=(sys.executable, "-m", "tests.e2e.skewed", str(stage.clock))))
    await stage.site.ready("otp")


def step(stage: Stage, seconds: float) -> None:
    """From now on otp's clock is wrong by so much."""
    new = stage.clock.with_suffix(".new")
    new.write_text(str(seconds), encoding="ascii")
    new.replace(stage.clock)


async def typed(stage: Stage, message: Text, suffix: str = "", **fields: str) -> str:
    """Sends a form of the page; returns the page that follows."""
    origin = message.link.rpartition("/c/")[0]
    headers = {"origin": origin, "sec-fetch-site": "same-origin"}
    http: aiohttp.ClientSession = stage.world.http
    async with http.get(message.link) as shown:
        form = hidden(await shown.text())
    async with http.post(message.link + suffix, data={**form, **fields}, headers=headers) as answer:
        if answer.status >= 500:
            raise Refused("away", answer.status)
        return await answer.text()


async def lives_ten_minutes_at_most(stage: Stage, who: Invited, ahead: float) -> None:
    """By the time that is stored, read at a clock that is `ahead` seconds ahead."""
    challenge = ids.challenge_id(UUID(who.appointment), 1)
    async with Redis.from_url(stage.site.sources.otp, decode_responses=True) as client:
        ends = int(await client.hget(f"otp:challenge:{challenge}", "code_not_after") or 0)
    now = (utc_now().timestamp() + ahead) * 1000
    assert 0 < ends <= now + CODE_MS
