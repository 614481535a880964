"""Simulated workers: each acts as a person would, on the phone and on the page only."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp

from stack.demo.cast import Behaviour, Worker
from stack.demo.page import Page
from stack.demo.phones import Phone, Text
from stack.demo.recorder import Recorder

CONFIRM, CONFIRM_NAMED, REFUSE = "c", "n", "r"
"""What the bot's buttons send first."""


@dataclass(frozen=True)
class Stage:
    """What workers act on."""

    http: aiohttp.ClientSession
    phone_of: Callable[[str], Phone]
    recorder: Recorder


@dataclass(frozen=True)
class Scene:
    """A worker who has just been appointed; `seen` is the newest SMS on the phone before that."""

    stage: Stage
    worker: Worker
    phone: Phone
    appointment: str
    seen: int

    async def invitation(self) -> Text:
        """The SMS with code and link."""
        return await self.phone.sms(after=self.seen)

    async def page(self) -> tuple[Page, str]:
        """The confirm page, and the code to type there."""
        message = await self.invitation()
        return Page(self.stage.http, message.link), message.code

    async def in_telegram(self, answer: str) -> None:
        """Follows the page's Telegram button, shares the own number and taps the button that means `answer`."""
        page, _ = await self.page()
        await self.phone.start(page.handle)
        last = await self.phone.chat()
        await self.phone.share_contact()
        while not (data := _button(last, answer)):
            last = await self.phone.chat(after=last.seq)
        await self.phone.tap(data)


async def act(scene: Scene, *, again: bool) -> None:
    """Does what the worker does; `again`: for a second appointment. Raises what the first thing that fails raises."""
    await (_sms if again else _ACTS[scene.worker.behaviour])(scene)


async def _telegram(scene: Scene) -> None:
    named = scene.worker.person.gender == "female"  # somebody has to agree to be announced by name
    await scene.in_telegram(CONFIRM_NAMED if named else CONFIRM)


async def _refuses_telegram(scene: Scene) -> None:
    await scene.in_telegram(REFUSE)


async def _sms(scene: Scene) -> None:
    await scene.phone.reply((await scene.invitation()).code)


async def _refuses_sms(scene: Scene) -> None:
    await scene.phone.reply(f"NO {(await scene.invitation()).code}")


async def _guesses_sms(scene: Scene) -> None:
    message = await scene.invitation()
    await scene.phone.reply(_wrong(message.code))
    await scene.phone.sms(after=message.seq)  # the answer says how many guesses are left
    await scene.phone.reply(message.code)


async def _web(scene: Scene) -> None:
    page, code = await scene.page()
    await page.confirm(code)


async def _refuses_page(scene: Scene) -> None:
    page, _ = await scene.page()
    await page.refuse()


async def _guesses_page(scene: Scene) -> None:
    page, code = await scene.page()
    await page.confirm(_wrong(code))
    await page.confirm(code)


async def _dead(scene: Scene) -> None:
    recorder, right = scene.stage.recorder, scene.stage.phone_of(scene.worker.right_phone)
    await recorder.until_undelivered(scene.appointment)
    await recorder.correct_phone(scene.appointment, scene.worker.right_phone)
    await right.reply((await right.sms()).code)


async def _blocks(scene: Scene) -> None:
    await scene.in_telegram(CONFIRM)
    await scene.stage.recorder.until_state(scene.appointment, "verified")
    await scene.phone.block_bot()


_ACTS: Mapping[Behaviour, Callable[[Scene], Awaitable[None]]] = {
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


def _button(message: Text, answer: str) -> str:
    """What the first button that means `answer` sends; empty when there is none."""
    pattern = re.compile(rf"{answer}[\w-]{{22}}")  # a letter and a challenge, as services/notifier makes them
    return next((data for button in message.buttons if pattern.fullmatch(data := button["data"] or "")), "")


def _wrong(code: str) -> str:
    return f"{(int(code) + 111_111) % 1_000_000:06}"
