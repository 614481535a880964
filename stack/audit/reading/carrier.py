"""What arrived at the carrier: from the sandbox's API, or from the file that a drill's carrier wrote."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from stack.audit.notebook import Notebook
from stack.audit.story import Arrived

_MOST = 50_000
"""The sandbox keeps no more."""
_AT_ONCE = 5_000


async def read_carrier(where: str, notebook: Notebook) -> None:
    """Every SMS out. Raises RuntimeError when the sandbox has forgotten some."""
    if where.startswith("http"):
        notebook.add(Arrived, await _from_sandbox(where))
    else:
        read_file(Path(where), notebook)


async def outside(where: str) -> Mapping[str, int]:
    """What the sandbox still has to tell us; a drill's carrier tells nothing."""
    if not where.startswith("http"):
        return {}
    async with _asked(f"{where}/control/under-way") as answer:
        found: Mapping[str, int] = await answer.json()
    return {f"{name} outside": count for name, count in found.items()}


def read_file(path: Path, notebook: Notebook) -> None:
    """Every SMS that a drill's carrier wrote down."""
    with path.open(encoding="ascii") as lines:
        while page := list(islice(lines, _AT_ONCE)):
            notebook.add(Arrived, [arrived_of(line) for line in page])


def phone_hash(number: str) -> str:
    """A phone as the audit compares it: no number stands in its files."""
    return blake2b(number.encode(), digest_size=8).hexdigest()


def line_of(callback: str, number: str) -> str:
    """One SMS in the file."""
    message, attempt = message_of(callback)
    return f"{message} {attempt} {phone_hash(number)}\n"


def arrived_of(line: str) -> Arrived:
    """The reverse of `line_of`."""
    message, attempt, phone = line.split()
    return Arrived(message, message, int(attempt), phone)


def message_of(callback: str) -> tuple[str, int]:
    """Our message id and try: the path and the query of the callback that the send named (decision 23)."""
    parts = urlsplit(callback)
    return parts.path.rpartition("/")[2], int(parse_qs(parts.query).get("try", ["1"])[0])


async def _from_sandbox(url: str) -> Iterator[Arrived]:
    async with _asked(f"{url}/control/sms", limit=_MOST) as answer:
        messages: list[Mapping[str, Any]] = await answer.json()
    if len(messages) >= _MOST:
        raise RuntimeError(f"the sandbox keeps {_MOST} SMS, and may have forgotten some")
    return (_arrived(sms) for sms in messages if not sms["inbound"])


@asynccontextmanager
async def _asked(url: str, **query: int) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http,
        http.get(url, params=query) as answer,
    ):
        answer.raise_for_status()
        yield answer


def _arrived(sms: Mapping[str, Any]) -> Arrived:
    message, attempt = message_of(sms["callback"])
    return Arrived(message, message, attempt, phone_hash(sms["to"]))
