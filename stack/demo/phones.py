"""What a person does with a phone: reads SMS and chat, answers, taps; through the sandbox's control API."""

import re
from dataclasses import dataclass
from typing import Any

from stack.demo.http import Api

_CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
_LINK = re.compile(r"https?://\S+/c/[\w-]+")


class NothingCame(RuntimeError):
    """A phone waited for something in vain."""


@dataclass(frozen=True)
class Text:
    """An SMS or a chat message; `seq` is its place in everything that the sandbox saw."""

    seq: int
    body: str
    buttons: tuple[dict[str, Any], ...] = ()

    @property
    def code(self) -> str:
        """The six digits in it; raises `NothingCame` when there are none."""
        return _first(_CODE, self.body, "code")

    @property
    def link(self) -> str:
        """The link to the confirm page; raises `NothingCame` when there is none."""
        return _first(_LINK, self.body, "link")


class Phone:
    """One phone of the sandbox."""

    def __init__(self, control: Api, number: str, *, patience: float) -> None:
        """Waits at most `patience` seconds for anything to come."""
        self._control, self.number, self._patience = control, number, patience

    async def sms(self, *, after: int = 0, contains: str = "") -> Text:
        """The next SMS behind `after`; raises `NothingCame`."""
        found = await self._wait("sms", after, contains)
        return Text(found["sms"]["seq"], found["sms"]["body"])

    async def newest(self) -> int:
        """The place of the newest SMS, 0 when there is none."""
        latest = (await self._control.get(f"/control/phones/{self.number}/sms"))["latest"]
        return int(latest["seq"]) if latest else 0

    async def chat(self, *, after: int = 0, contains: str = "") -> Text:
        """The bot's next message behind `after`; raises `NothingCame`."""
        message = (await self._wait("chat", after, contains))["message"]
        return Text(message["seq"], message["text"], tuple(button for row in message["buttons"] for button in row))

    async def reply(self, text: str) -> None:
        """Answers by SMS."""
        await self._do("reply", text=text)

    async def start(self, payload: str) -> None:
        """Follows a t.me link and presses Start."""
        await self._do("start", payload=payload)

    async def share_contact(self) -> None:
        """Shares the own number with the bot."""
        await self._do("contact", kind="own")

    async def tap(self, data: str) -> None:
        """Taps an inline button."""
        await self._do("tap", data=data)

    async def block_bot(self) -> None:
        """Blocks the bot."""
        await self._do("block")

    async def become(self, state: str) -> None:
        """Changes what the phone does with SMS."""
        await self._control.patch(f"/control/phones/{self.number}", {"state": state})

    async def _do(self, what: str, **body: object) -> None:
        await self._control.post(f"/control/phones/{self.number}/{what}", body)

    async def _wait(self, kind: str, after: int, contains: str) -> Any:
        found = await self._control.get(
            "/control/wait", kind=kind, phone=self.number, after=after, contains=contains, timeout=self._patience
        )
        if not found["found"]:
            what = f"{kind} with {contains!r}" if contains else kind
            raise NothingCame(f"no {what} within {self._patience:.0f} s on the phone ..{self.number[-3:]}")
        return found


def _first(pattern: re.Pattern[str], text: str, what: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise NothingCame(f"no {what} in the message")
    return match[0]
