"""Composition root of the world outside: carrier, receipts, people."""

import asyncio
import base64
import contextlib
import hmac
import signal
from collections import Counter
from collections.abc import Mapping

import aiohttp
import uvloop

from stack.drill.outside.carrier import CARRIER_FILE, Carrier, Line, open_file
from stack.drill.outside.people import People
from stack.drill.outside.settings import Settings

RECEIPTS_AT_ONCE = 32
"""As many as there are calls under way to the carrier: it tells as fast as it takes."""
_AGAIN = 0.5
_TRIES = 60


class Caller:
    """Calls the notifier as Twilio does: signed, and again until it is taken."""

    def __init__(self, http: aiohttp.ClientSession, settings: Settings, counts: Counter[str]) -> None:
        self._http, self._settings, self._counts = http, settings, counts

    async def receipts(self, carrier: Carrier) -> None:
        """Tell of every message that the phone has it; until cancelled."""
        while True:
            callback, sid, number = await carrier.receipts.get()
            form = {"MessageSid": sid, "MessageStatus": "delivered", "To": number}
            taken = await self._post(callback, form)
            self._counts["receipts" if taken else "receipts lost"] += 1

    async def reply(self, number: str, text: str) -> bool:
        """An SMS from a phone."""
        self._counts["replies"] += 1
        sid = f"SM5e{self._counts['replies']:030x}"
        return await self._post(
            self._settings.inbound_url, {"MessageSid": sid, "From": number, "To": "+15005550006", "Body": text}
        )

    async def _post(self, url: str, form: Mapping[str, str]) -> bool:
        headers = {"X-Twilio-Signature": sign(self._settings.token, url, form)}
        for _ in range(_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._http.post(url, data=form, headers=headers) as answer:
                    if answer.status < 300:
                        return True
            await asyncio.sleep(_AGAIN)
        return False


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the exact URL and the sorted parameters, base64."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


async def serve(settings: Settings) -> None:
    """Serve until a signal comes."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    limits = aiohttp.TCPConnector(limit=settings.at_once + RECEIPTS_AT_ONCE)
    async with aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(total=60)) as http:
        caller = Caller(http, settings, counts)
        people = People(settings.folder, settings.answers, settings.seed, caller.reply, counts)
        carrier = Carrier(settings.account, open_file(settings.folder, CARRIER_FILE), people.arrived, counts)
        server = await loop.create_server(lambda: Line(carrier), "127.0.0.1", settings.port)
        async with server, asyncio.TaskGroup() as group:
            tasks = [group.create_task(caller.receipts(carrier)) for _ in range(RECEIPTS_AT_ONCE)]
            tasks.append(group.create_task(_lives(people, http, settings.at_once)))
            await stopped.wait()
            for task in tasks:
                task.cancel()


async def _lives(people: People, http: aiohttp.ClientSession, at_once: int) -> None:
    places = asyncio.Semaphore(at_once)
    async with asyncio.TaskGroup() as group:
        async for number, way, link in people.invited():
            await places.acquire()
            task = group.create_task(people.live(http, number, way, link))
            task.add_done_callback(lambda _: places.release())


def main() -> None:
    """Read the settings and serve."""
    uvloop.run(serve(Settings()))
