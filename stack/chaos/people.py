"""Recorder and appointees of a chaos run: whoever is away is tried again, as people do."""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

import aiohttp

from shared.clock import utc_now
from stack.audit.reading.carrier import phone_hash
from stack.audit.story import Act
from stack.chaos.plan import Way
from stack.demo.cast import BOOTH_POSTS, Seat
from stack.demo.http import Api, Refused
from stack.demo.page import Page
from stack.demo.phones import NothingCame, Phone, Text
from stack.demo.recorder import Recorder
from stack.fixture import MadeUp

T = TypeVar("T")
PATIENCE = 400.0
"""Seconds that a person tries for: far longer than anything is away here."""
_PAUSE = 0.3
_WAIT = 20.0
_CONFIRM = re.compile(r"c[\w-]{22}")
"""What the bot's confirm button sends (services/notifier/bot), without the name."""
_BUSY = 429
_REPLIES = 5


class NotInvited(Exception):
    """Nothing came that could be answered: two sends of unknown outcome in a row leave a person without a code
    (decision 20). Then nothing must follow, and the audit wants to see such a send."""


@dataclass(frozen=True, slots=True)
class World:
    """What people use."""

    http: aiohttp.ClientSession
    control: Api
    recorder: Recorder
    now: Callable[[], datetime] = utc_now

    def phone(self, person: MadeUp) -> Phone:
        """Somebody's phone."""
        return Phone(self.control, person.phone, patience=_WAIT)


def seat(units: list[str], number: int) -> Seat:
    """The seat of the n-th person: each committee is filled before the next one begins."""
    singles = BOOTH_POSTS[:-1]
    return Seat(units[number // len(singles)], singles[number % len(singles)])


async def live(world: World, person: MadeUp, where: Seat, way: Way, step: Callable[[], None]) -> Act:
    """Recorded, asked, answered; returns what must have come of it."""
    now = world.now()  # once: a repeated request under one key must be the same request
    appointment = await patiently(lambda: world.recorder.record(where, person, now))
    step()
    ends = way.ends
    try:
        await _answer(world, world.phone(person), way, step)
    except NotInvited:
        ends = ""
    except NothingCame:
        pass  # answered, and heard nothing of it: it counts all the same
    return Act(appointment, ends, 0, phone_hash(person.phone), way.value)


async def _answer(world: World, phone: Phone, way: Way, step: Callable[[], None]) -> None:
    try:
        invitation = await patiently(lambda: phone.sms(contains="/c/"))
    except NothingCame as error:
        raise NotInvited from error
    step()
    if way is not Way.SILENT:
        await _ACTS[way](world, phone, invitation)
        step()


async def _web(world: World, _: Phone, invitation: Text) -> None:
    await patiently(lambda: _sent(Page(world.http, invitation.link).confirm(invitation.code)))


async def _refuses(world: World, _: Phone, invitation: Text) -> None:
    await patiently(lambda: _sent(Page(world.http, invitation.link).refuse()))


async def _sms(_: World, phone: Phone, invitation: Text) -> None:
    """A carrier gives up on a reply whose receiver is away for long; whoever hears nothing sends it again."""
    for _try in range(_REPLIES):
        await phone.reply(invitation.code)
        with contextlib.suppress(NothingCame):
            last = await phone.sms(after=invitation.seq)
            while "/c/" in last.body:  # the invitation once more, not an answer
                last = await phone.sms(after=last.seq)
            return


async def _telegram(world: World, phone: Phone, invitation: Text) -> None:
    """Start by the link, share the contact, tap. The bot may ask again after a kill: the newest button counts."""
    await phone.start(Page(world.http, invitation.link).handle)
    last = await patiently(phone.chat)
    await phone.share_contact()
    while not (data := _button(last)):
        last = await patiently(partial(phone.chat, after=last.seq))
    await phone.tap(data)


async def _sent(posting: Awaitable[None]) -> None:
    """When an earlier try went through although its answer was lost, the page has no form any more; the audit says
    whether it did."""
    try:
        await posting
    except Refused as refused:
        if refused.status >= 500 or refused.status == _BUSY:
            raise


def _button(message: Text) -> str:
    found = (button["data"] for button in message.buttons if _CONFIRM.fullmatch(button["data"] or ""))
    return next(found, "")


_ACTS: dict[Way, Callable[[World, Phone, Text], Awaitable[None]]] = {
    Way.WEB: _web,
    Way.SMS: _sms,
    Way.TELEGRAM: _telegram,
    Way.REFUSES: _refuses,
}


async def patiently(act: Callable[[], Awaitable[T]], *, seconds: float = PATIENCE) -> T:
    """Do it again while somebody is away: no connection, a 5xx or 429 answer, nothing on the phone yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await act()
        except (aiohttp.ClientError, TimeoutError, NothingCame, Refused) as error:
            final = isinstance(error, Refused) and error.status < 500 and error.status != _BUSY
            if final or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_PAUSE)
