"""Two lanes over one credential: codes and answers never wait behind announcements."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from services.notifier.domain.message import Accepted, Outgoing
from services.notifier.store.pacing import Limit, Pacing
from shared.events import Channel, Lane
from tests.integration.notifier.engine import Engine, Hand, Scripted, engine

BACKLOG = 10_000

FILL = """
INSERT INTO message (id, organisation_id, lane, template, text, language, attempt, fingerprints, contact, about,
  secrets, not_before, created_at, changed_at)
SELECT gen_random_uuid(), organisation_id, lane, template, text, language, attempt, fingerprints, contact, about,
  NULL, created_at, created_at, created_at
FROM message, generate_series(1, $1) WHERE lane = 'bulk'
"""


class Real(Hand):
    """The real time: pacing and waiting are what is tested."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251


async def fill(e: Engine) -> None:
    """Many announcements, queued: copies of one row, since it is the queue that matters."""
    await e.request(e.asking.announcement(named=False))
    async with e.database.connection() as db:
        await db.execute(FILL, BACKLOG - 1)


async def test_a_code_overtakes_ten_thousand_announcements(notifier_url: str, valkey_url: str) -> None:
    order: list[UUID] = []

    async def note(outgoing: Outgoing) -> Accepted:
        order.append(outgoing.message_id)
        return Accepted("ref")

    sms = Scripted(answer=note)
    async with (
        Redis.from_url(valkey_url) as valkey,
        engine(notifier_url, clock=Real(), channels={Channel.SMS: sms}) as e,
    ):
        e.pacer = Pacing(valkey, {sms.credential: Limit(20, reserved=10)}, e.clock)
        await fill(e)
        async with e.sender(Lane.BULK, workers=16), e.sender(Lane.URGENT):
            while len(order) < 5:  # noqa: ASYNC110 # the bulk lane is busy now
                await asyncio.sleep(0.01)
            code = await e.request(e.asking.invitation(not_after=e.clock() + timedelta(minutes=9)))
            before = len(order)
            await e.reaches(code, "accepted")
        # While the code waited for its four places, announcements of a second or two went out, not the ten thousand.
        assert order.index(code) - before <= BACKLOG / 100
        assert len(order) < BACKLOG / 10


async def test_a_slow_provider_of_the_bulk_lane_does_not_hold_the_urgent_one(notifier_url: str) -> None:
    gate = asyncio.Event()

    async def slow(outgoing: Outgoing) -> Accepted:
        if outgoing.lane is Lane.BULK:
            await gate.wait()
        return Accepted("ref")

    sms = Scripted(answer=slow)
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e:
        for _ in range(40):
            await e.request(e.asking.announcement())
        async with e.sender(Lane.BULK, workers=4), e.sender(Lane.URGENT, workers=4):
            while len(sms.sent) < 4:  # noqa: ASYNC110 # every bulk worker waits for the provider
                await asyncio.sleep(0.01)
            code = await e.request(e.asking.invitation())
            await e.reaches(code, "accepted")
            assert not gate.is_set()
            gate.set()


async def test_a_lane_holds_no_more_messages_than_twice_its_workers(notifier_url: str) -> None:
    gate = asyncio.Event()

    async def slow(_: Outgoing) -> Accepted:
        await gate.wait()
        return Accepted("ref")

    sms = Scripted(answer=slow)
    async with engine(notifier_url, channels={Channel.SMS: sms}) as e:
        for _ in range(40):
            await e.request(e.asking.announcement())
        sender = e.sender(Lane.BULK, workers=4)
        async with sender:
            while len(sms.sent) < 4 or len(sender._held) < 8:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            sender.wakeup.wake()
            assert await e.told() == []
            assert len(sms.sent) == 4
            assert len(sender._held) == 8
            gate.set()
