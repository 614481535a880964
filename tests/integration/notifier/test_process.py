"""The notifier as a process, against the sandbox's carrier and a real broker."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.bus import Connection, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import DELIVERIES, Event, decode, encode
from tests.integration.notifier.asking import CODE, Asking
from tests.integration.sandbox.process import own_port

ROOT = Path(__file__).parents[3]
PHONE = "+915550000210"


@contextmanager
def process(module: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A service as long as the block."""
    child = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment)
    try:
        yield child
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    finally:
        child.kill()
        child.wait()


@dataclass
class World:
    """What the test talks to."""

    asking: Asking
    connection: Connection
    notifier: str
    sandbox: str
    child: subprocess.Popen[bytes]


async def until(question: Callable[[], Awaitable[Any]], seconds: float = 180.0) -> Any:
    """The first answer that is something."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if answer := await question():
                    return answer
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.05)


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    """One for each service."""
    with own_port() as notifier, own_port() as sandbox:
        yield {"notifier": notifier, "sandbox": sandbox}


@pytest.fixture
def world(notifier_url: str, valkey_url: str, own_kafka: str, ports: dict[str, int]) -> Iterator[World]:
    """Sandbox and notifier, running."""
    asking = Asking(utc_now())
    keys = asking.keys
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    twilio = {"TWILIO_ACCOUNT_SID": keys.twilio_account, "TWILIO_AUTH_TOKEN": keys.twilio_token}
    sandbox = {"PORT": str(ports["sandbox"]), "INBOUND_URL": f"{urls['notifier']}/twilio/inbound", **twilio}
    notifier = {
        "PORT": str(ports["notifier"]), "SANDBOX": "true", "KAFKA": own_kafka, "KAFKA_EPHEMERAL": "true",
        "SEAL_KEY": keys.seal["notifier"], "SEAL_PEERS": keys.seal_peers, "DATABASE_URL": notifier_url,
        "VALKEY_URL": valkey_url, "FINGERPRINT_KEYS": keys.fingerprint, "STORE_KEYS": keys.store,
        "PUBLIC_URL": urls["notifier"], "TWILIO_BASE_URL": urls["sandbox"], "TWILIO_FROM": "+15005550006",
        "TELEGRAM_TOKEN": keys.telegram_token, "TELEGRAM_API_BASE": urls["sandbox"], "TWILIO_TWO_WAY": "true",
        "TEST_NUMBER_PREFIXES": json.dumps(["+91555"]), **twilio,
    }  # fmt: skip
    connection = Connection(own_kafka, "test", ephemeral=True)
    asyncio.run(ensure_topics(connection))
    with (
        process("services.sandbox", {f"SANDBOX_{k}": v for k, v in sandbox.items()}),
        process("services.notifier", {f"NOTIFIER_{k}": v for k, v in notifier.items()}) as child,
    ):
        yield World(asking, connection, urls["notifier"], urls["sandbox"], child)


async def deliveries(connection: Connection, seen: list[Event]) -> list[Event]:
    """Everything in the deliveries topic so far."""
    member = connection.member("test", (DELIVERIES,))
    places: list[Any] = []

    class Listener:
        async def revoked(self, *, lost: bool) -> None:  # noqa: ARG002 # the port's signature
            places.clear()

        async def assigned(self, found: Any) -> None:
            places.extend(found)

    await member.start(Listener())
    try:
        async with asyncio.timeout(180):
            while not places:
                await member.touch()
            while len(seen) < 2:
                seen += [decode(r.value, r.headers) for r in await member.poll(places, 100, 0.2)]
    finally:
        await member.stop()
    return seen


@pytest.mark.timeout(600)
async def test_a_requested_message_reaches_the_phone_and_its_receipt_is_stated(world: World) -> None:
    async with aiohttp.ClientSession() as http:

        async def ready() -> bool:
            async with http.get(f"{world.notifier}/ready") as response:
                return response.status == 200

        async def inbox() -> list[dict[str, Any]]:
            async with http.get(f"{world.sandbox}/control/phones/{PHONE}/sms") as response:
                answer = await response.json()
                return list(answer.get("messages", []))

        await until(ready)
        async with Producer(world.connection) as producer:
            await producer.publish([encode(world.asking.invitation(PHONE))])
        messages = await until(inbox)
        assert CODE in messages[0]["body"]
        stated = await deliveries(world.connection, [])
        assert [event.type for event in stated] == ["delivery.accepted.v1", "delivery.delivered.v1"]
        assert [event.version for event in stated] == [1, 2]
