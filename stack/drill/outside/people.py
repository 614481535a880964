"""People who answer: they open the link, ask for the code, and type it on the page or send it back by SMS."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO
from urllib.parse import urlsplit

import aiohttp

from stack.audit.reading.carrier import phone_hash
from stack.drill.outside.carrier import open_file
from stack.drill.outside.texts import CODE, LINK, Way, hidden, way_of

ACTS_FILE, INVITED_FILE = "acts.txt", "invited.txt"
CODE_SECONDS = 120.0
"""How long somebody waits for the code before giving up."""
_LOOK = 0.5
_TRIES = 40


class Replies(Protocol):
    """Sends an SMS from a phone."""

    async def __call__(self, number: str, text: str) -> bool:
        """Whether it was taken."""


class Away(Exception):
    """The page answered that it cannot now."""


@dataclass(slots=True)
class People:
    """Whoever answers waits in a file for a free place; only those who are at it are in memory."""

    folder: Path
    answers: float
    seed: int
    reply: Replies
    counts: Counter[str]
    acts: TextIO = field(init=False)
    _invited: TextIO = field(init=False)
    _waiting: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.acts = open_file(self.folder, ACTS_FILE)
        self._invited = open_file(self.folder, INVITED_FILE)

    def arrived(self, number: str, text: str) -> None:
        """A message on somebody's phone."""
        code = CODE.search(text)
        waiting = self._waiting.get(number)
        if code and waiting and not waiting.done():
            waiting.set_result(code[0])
            return
        link, way = LINK.search(text), way_of(number, self.answers, self.seed)
        if link is None or way is None:
            return
        self.counts["will answer"] += 1
        self._invited.write(f"{number} {way} {link[0]}\n")
        self._invited.flush()

    async def invited(self) -> AsyncIterator[tuple[str, Way, str]]:
        """Those who will answer, in order, without end."""
        with (self.folder / INVITED_FILE).open(encoding="utf-8") as lines:
            while True:
                line = lines.readline()
                if line.endswith("\n"):
                    number, way, link = line.split()
                    yield number, Way(way), link
                else:
                    lines.seek(lines.tell() - len(line))
                    await asyncio.sleep(_LOOK)

    async def live(self, http: aiohttp.ClientSession, number: str, way: Way, link: str) -> None:
        """One person from opening the link to the answer; what they did is written down."""
        ends, asks = "", 0
        try:
            code = await self._code(http, number, link)
            asks = 1
            if way is Way.PAGE:
                await _send(http, link, "", code=code)
                ends = "verified"
            else:
                ends = "verified" if await self.reply(number, code) else ""
            self.counts[f"answered by {way}"] += 1
        except (aiohttp.ClientError, TimeoutError, Away) as error:
            self.counts[f"gave up: {type(error).__name__}"] += 1
            asks = 1
        finally:
            self._waiting.pop(number, None)
        self.acts.write(f"{phone_hash(number)} {ends or '-'} {asks}\n")
        self.acts.flush()

    async def _code(self, http: aiohttp.ClientSession, number: str, link: str) -> str:
        """Ask for a code, and wait until it comes."""
        coming = self._waiting[number] = asyncio.get_running_loop().create_future()
        await _send(http, link, "/code")
        async with asyncio.timeout(CODE_SECONDS):
            code: str = await coming
        return code


async def _send(http: aiohttp.ClientSession, link: str, suffix: str, **typed: str) -> None:
    """Open the page and send its form, as often as it takes: a busy or restarted service is asked again."""
    parts = urlsplit(link)
    headers = {"origin": f"{parts.scheme}://{parts.netloc}", "sec-fetch-site": "same-origin"}
    for left in reversed(range(_TRIES)):
        with suppress(*(() if left == 0 else (aiohttp.ClientError, TimeoutError, Away))):
            async with http.get(link) as shown:
                fields = hidden(await shown.text())
                _good(shown.status)
            async with http.post(link + suffix, data={**fields, **typed}, headers=headers) as answer:
                _good(answer.status)
                return
        await asyncio.sleep(_LOOK)


def _good(status: int) -> None:
    if status >= 500 or status == 429:
        raise Away
