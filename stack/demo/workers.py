"""Simulated workers: each acts as a person would, on the phone and on the page only."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from stack.demo.cast import Behaviour, Seat, Worker
from stack.demo.page import Page
from stack.demo.phones import Phone, Text
from stack.demo.recorder import Recorder

Record = Callable[[Worker, Seat], Awaitable[str]]
"""Has the recorder record an appointment; returns its id."""


@dataclass(frozen=True)
class Stage:
    """What a worker acts on."""

    http: aiohttp.ClientSession
    phone_of: Callable[[str], Phone]
    recorder: Recorder
    record: Record


async def play(worker: Worker, stage: Stage) -> None:
    """Plays one worker from the recording to the last answer; raises what the first thing that fails raises."""
    phone = stage.phone_of(worker.person.phone)
    appointment = await stage.record(worker, worker.seats[0])
    await _ACTS[worker.behaviour](worker, phone, appointment, stage)
    for seat in worker.seats[1:]:
        await _second_seat(worker, phone, seat, stage)


async def _in_telegram(phone: Phone, stage: Stage, answer: str) -> None:
    """Follows the page's Telegram button, shares the own number and taps."""
    page = Page(stage.http, (await phone.sms()).link)
    await phone.start(page.handle)
    asked = await phone.chat()
    await phone.share_contact()
    message = await _with_buttons(phone, asked)
    await phone.tap(next(button["data"] for button in message.buttons if _means(button, answer)))


async def _with_buttons(phone: Phone, last: Text) -> Text:
    while not any(button["data"] for button in last.buttons):
        last = await phone.chat(after=last.seq)
    return last


def _means(button: Mapping[str, str | None], answer: str) -> bool:
    return (button["data"] or "").startswith(answer)


async def _telegram(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    await _in_telegram(phone, stage, "confirm")


async def _refuses_telegram(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    await _in_telegram(phone, stage, "refuse")


async def _sms(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    await phone.reply((await phone.sms()).code)


async def _refuses_sms(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    await phone.reply(f"NO {(await phone.sms()).code}")


async def _guesses_sms(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    message = await phone.sms()
    await phone.reply(_wrong(message.code))
    await phone.sms(after=message.seq)  # the answer: how many guesses are left
    await phone.reply(message.code)


async def _web(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    message = await phone.sms()
    await Page(stage.http, message.link).confirm(message.code)


async def _refuses_page(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    await Page(stage.http, (await phone.sms()).link).refuse()


async def _guesses_page(worker: Worker, phone: Phone, _: str, stage: Stage) -> None:
    message = await phone.sms()
    page = Page(stage.http, message.link)
    await page.confirm(_wrong(message.code))
    await page.confirm(message.code)


async def _dead(worker: Worker, phone: Phone, appointment: str, stage: Stage) -> None:
    await stage.recorder.until_undelivered(appointment)
    await stage.recorder.correct_phone(appointment, worker.right_phone)
    right = stage.phone_of(worker.right_phone)
    await right.reply((await right.sms()).code)


async def _blocks(worker: Worker, phone: Phone, appointment: str, stage: Stage) -> None:
    await _in_telegram(phone, stage, "confirm")
    await stage.recorder.until_state(appointment, "verified")
    await asyncio.sleep(0)
    await phone.block_bot()


async def _second_seat(worker: Worker, phone: Phone, seat: Seat, stage: Stage) -> None:
    last = await phone.sms()
    await stage.record(worker, seat)
    await phone.reply((await phone.sms(after=last.seq)).code)


def _wrong(code: str) -> str:
    return f"{(int(code) + 111_111) % 1_000_000:06}"


_ACTS: dict[Behaviour, Callable[[Worker, Phone, str, Stage], Awaitable[None]]] = {
    Behaviour.TELEGRAM: _telegram,
    Behaviour.SMS: _sms,
    Behaviour.WEB: _web,
    Behaviour.REFUSES_BY_TELEGRAM: _refuses_telegram,
    Behaviour.REFUSES_BY_SMS: _refuses_sms,
    Behaviour.REFUSES_ON_PAGE: _refuses_page,
    Behaviour.GUESSES_BY_SMS: _guesses_sms,
    Behaviour.GUESSES_ON_PAGE: _guesses_page,
    Behaviour.BLOCKS_BOT: _blocks,
    Behaviour.DEAD_NUMBER: _dead,
}
