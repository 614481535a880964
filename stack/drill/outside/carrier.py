"""The carrier: takes messages as Twilio does, writes one line about each, and says later that the phone has it."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import parse_qsl, urlsplit

from stack.audit.reading.carrier import line_of

CARRIER_FILE = "carrier.txt"
RECEIPTS_KEPT = 20_000
"""Receipts that wait to be told; a carrier that is further behind loses some, as real ones do."""


@dataclass(slots=True)
class Carrier:
    """`arrived(number, text)` is told of every message."""

    account: str
    file: TextIO
    arrived: Callable[[str, str], None]
    counts: Counter[str] = field(default_factory=Counter)
    receipts: asyncio.Queue[tuple[str, str, str]] = field(default_factory=lambda: asyncio.Queue(RECEIPTS_KEPT))
    """Callback URL, message sid, number."""

    def take(self, body: bytes) -> dict[str, object]:
        """One message; returns Twilio's resource, as far as anybody reads it."""
        form = dict(parse_qsl(body.decode()))
        number, text, callback = form["To"], form["Body"], form["StatusCallback"]
        self.counts["messages"] += 1
        sid = f"SM{self.counts['messages']:032x}"
        self.file.write(line_of(callback, number))
        try:
            self.receipts.put_nowait((callback, sid, number))
        except asyncio.QueueFull:
            self.counts["receipts lost"] += 1
        self.arrived(number, text)
        return {"sid": sid, "num_segments": "1", "status": "queued"}

    def said(self) -> dict[str, int]:
        """Counts so far; what they count is in the files."""
        self.file.flush()
        return {**self.counts, "receipts waiting": self.receipts.qsize()}


class Line(asyncio.Protocol):
    """One connection: requests of a known shape, answered one after the other. A framework would cost more than all
    that is done here, on a machine that has two cores for everything."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (request := self._request()) is not None:
            assert self._transport is not None
            self._transport.write(answer(self._carrier, *request))

    def _request(self) -> tuple[str, str, bytes] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._buffer[:end])
        size = content_length(head)
        if len(self._buffer) < end + 4 + size:
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        return method, urlsplit(target).path, body


def content_length(head: bytes) -> int:
    """Bytes of the body, from the head of a request."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def answer(carrier: Carrier, method: str, path: str, body: bytes) -> bytes:
    """The response to one request."""
    if method == "POST" and path == f"/2010-04-01/Accounts/{carrier.account}/Messages.json":
        return _response(201, carrier.take(body))
    if path == "/counts":
        return _response(200, carrier.said())
    return _response(200 if path in {"/ready", "/health"} else 404, {})


def _response(status: int, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    return head.encode() + text


def open_file(folder: Path, name: str) -> TextIO:
    """A file of the folder to append to, private."""
    path = folder / name
    path.touch(mode=0o600)
    return path.open("a", encoding="utf-8")
