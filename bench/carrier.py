"""A carrier that takes every message at once and does nothing else: its CPU stays apart from what is measured.

    python -m bench.carrier PORT TOKEN [--statuses queued,sent,delivered] [--delay 0.0]

Speaks as much of Twilio's API as the notifier uses; with `--statuses` it calls back with each of them, signed, over
kept connections. `GET /` answers how many messages were taken and how many callbacks were answered with 204.
"""

import argparse
import asyncio
import base64
import hmac
import itertools
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import orjson
import uvloop

CALLERS = 16
"""Connections for callbacks."""


class Carrier:
    """What was taken, and who is to be told."""

    def __init__(self, token: str, statuses: tuple[str, ...], delay: float) -> None:
        self.taken = 0
        self.confirmed = 0
        self.delay = delay
        self._token = token.encode()
        self._statuses = statuses
        self._sids = itertools.count(1)
        self._callbacks: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    def take(self, body: bytes) -> bytes:
        """One message in, one answer out."""
        self.taken += 1
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        sid = f"SM{next(self._sids):032x}"
        for status in self._statuses:
            self._callbacks.put_nowait((form["StatusCallback"], sid, status))
        return orjson.dumps({"sid": sid, "status": "queued", "num_segments": "2", "to": form["To"]})

    async def call_back(self) -> None:
        """Callbacks of one connection, one after another, for ever."""
        url, sid, status = await self._callbacks.get()
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while True:
            writer.write(self._request(url, sid, status))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 204"):
                raise RuntimeError(head.split(b"\r\n", 1)[0].decode())
            self.confirmed += 1
            url, sid, status = await self._callbacks.get()

    def _request(self, url: str, sid: str, status: str) -> bytes:
        form = {"AccountSid": "AC0", "ApiVersion": "2010-04-01", "From": "+15005550006", "MessageSid": sid,
                "MessageStatus": status, "SmsSid": sid, "SmsStatus": status, "To": "+915550000210"}  # fmt: skip
        text = url + "".join(name + value for name, value in sorted(form.items()))
        signature = base64.b64encode(hmac.digest(self._token, text.encode(), "sha1")).decode()
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in form.items())
        parts = urlsplit(url)
        return (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Twilio-Signature: {signature}\r\n"
            "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nUser-Agent: TwilioProxy/1.1\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


class Line(asyncio.Protocol):
    """One connection of the notifier."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._read = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            length = next((int(h[15:]) for h in head.split(b"\r\n") if h.startswith(b"content-length:")), 0)
            if len(self._read) < end + 4 + length:
                return
            body, self._read = self._read[end + 4 : end + 4 + length], self._read[end + 4 + length :]
            asyncio.get_running_loop().call_later(self._carrier.delay, self._answer, head.startswith(b"get "), body)

    def _answer(self, asked: bool, body: bytes) -> None:
        carrier = self._carrier
        answer = orjson.dumps([carrier.taken, carrier.confirmed]) if asked else carrier.take(body)
        status = b"200 OK" if asked else b"201 Created"
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(answer))
        self._transport.write(head + answer)


async def main(port: int, token: str, statuses: tuple[str, ...], delay: float) -> None:
    carrier = Carrier(token, statuses, delay)
    server = await asyncio.get_running_loop().create_server(lambda: Line(carrier), "127.0.0.1", port)
    async with server, asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(carrier.call_back())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("--statuses", default="")
    parser.add_argument("--delay", type=float, default=0.0)
    given = parser.parse_args()
    uvloop.run(main(given.port, given.token, tuple(filter(None, given.statuses.split(","))), given.delay))
