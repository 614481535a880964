"""The notifier as a process: a person links and confirms while it is killed and started again, by polls and webhook."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared import ids
from shared.bus import Connection, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import REPLIES, Event, Outcome, ReplyJudged, ReplyReceived, Result, decode, encode
from shared.settings import ORGANISATION
from tests.integration.notifier.asking import Asking
from tests.integration.notifier.test_process import process, until
from tests.integration.notifier_bot.test_linking import YES
from tests.integration.sandbox.process import own_port

PHONE = "+915550000210"
ROOT = Path(__file__).parents[3]


@dataclass
class World:
    """Sandbox, and a notifier that can be killed."""

    asking: Asking
    connection: Connection
    notifier: str
    sandbox: str
    environment: dict[str, str]
    http: aiohttp.ClientSession = field(init=False, repr=False)

    @contextmanager
    def service(self, end: signal.Signals = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
        """The notifier as long as the block."""
        child = subprocess.Popen([sys.executable, "-m", "services.notifier"], cwd=ROOT, env=self.environment)
        try:
            yield child
            child.send_signal(end)
            child.wait(60)
        finally:
            child.kill()
            child.wait()

    async def get(self, path: str, base: str = "") -> Any:
        """JSON, or None."""
        async with self.http.get(f"{base or self.sandbox}{path}") as response:
            return await response.json() if response.status == 200 else None

    async def act(self, path: str, **body: Any) -> Any:
        """Something that a person does."""
        async with self.http.post(f"{self.sandbox}/control/phones{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def ready(self) -> Any:
        """The notifier answers."""
        return await self.get("/ready", self.notifier)

    async def chat(self) -> Any:
        """The chat with the bot."""
        return await self.get(f"/control/phones/{PHONE}/chat")

    async def shows(self, question: Callable[[Any], Any]) -> Any:
        """The chat, as soon as `question` says yes."""

        async def look() -> Any:
            chat = await self.chat()
            return chat if chat and question(chat) else None

        return await until(look, 180)


def worlds(notifier_url: str, valkey_url: str, own_kafka: str, stack: ExitStack, mode: dict[str, str]) -> World:
    """A running sandbox and the notifier's environment."""
    asking = Asking(utc_now())
    keys = asking.keys
    ports = {name: str(stack.enter_context(own_port())) for name in ("notifier", "sandbox")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    twilio = {"TWILIO_ACCOUNT_SID": keys.twilio_account, "TWILIO_AUTH_TOKEN": keys.twilio_token}
    sandbox = {"PORT": ports["sandbox"], "RETRY_FIRST": "0.2", "TELEGRAM_TOKEN": keys.telegram_token, **twilio}
    notifier = {
        "PORT": ports["notifier"], "SANDBOX": "true", "KAFKA": own_kafka, "KAFKA_EPHEMERAL": "true",
        "SEAL_KEY": keys.seal["notifier"], "SEAL_PEERS": keys.seal_peers, "DATABASE_URL": notifier_url,
        "VALKEY_URL": valkey_url, "FINGERPRINT_KEYS": keys.fingerprint, "STORE_KEYS": keys.store,
        "PUBLIC_URL": urls["notifier"], "TWILIO_BASE_URL": urls["sandbox"], "TWILIO_FROM": "+15005550006",
        "TELEGRAM_TOKEN": keys.telegram_token, "TELEGRAM_API_BASE": urls["sandbox"],
        "TEST_NUMBER_PREFIXES": json.dumps(["+91555"]), **twilio, **mode,
    }  # fmt: skip
    connection = Connection(own_kafka, "test", ephemeral=True)
    asyncio.run(ensure_topics(connection))
    stack.enter_context(process("services.sandbox", {f"SANDBOX_{k}": v for k, v in sandbox.items()}))
    environment = {f"NOTIFIER_{k}": v for k, v in notifier.items()}
    return World(asking, connection, urls["notifier"], urls["sandbox"], environment)


@pytest.fixture(params=["polling", "webhook"])
def world(request: pytest.FixtureRequest, notifier_url: str, valkey_url: str, own_kafka: str) -> Iterator[World]:
    """One for each way of hearing updates."""
    mode = {"TELEGRAM_MODE": request.param, "TELEGRAM_WEBHOOK_SECRET": "secret-of-the-process-test"}
    with ExitStack() as stack:
        yield worlds(notifier_url, valkey_url, own_kafka, stack, mode)


async def replies(connection: Connection) -> list[ReplyReceived]:
    """What is in the replies topic, at least one."""
    member = connection.member(f"test-{ids.new_id()}", (REPLIES,))
    places: list[Any] = []

    class Listener:
        async def revoked(self, *, lost: bool) -> None:  # noqa: ARG002 # the bus names it
            places.clear()

        async def assigned(self, found: Any) -> None:
            places.extend(found)

    await member.start(Listener())
    seen: list[Event] = []
    try:
        async with asyncio.timeout(180):
            while not places:
                await member.touch()
            while not seen:
                seen += [decode(r.value, r.headers) for r in await member.poll(places, 100, 0.2)]
    finally:
        await member.stop()
    return [event for event in seen if isinstance(event, ReplyReceived)]


@pytest.mark.timeout(900)
@pytest.mark.slow
async def test_a_person_links_and_confirms_while_the_notifier_is_killed_and_started_again(world: World) -> None:
    async with aiohttp.ClientSession() as world.http, Producer(world.connection) as producer:
        event = world.asking.invitation(PHONE)
        assert event.challenge_id is not None
        with world.service(signal.SIGKILL):
            await until(world.ready, 180)
            await world.act("", phone=PHONE, name="सुनीता")
            await producer.publish([encode(event)])
            await until(lambda: _sms(world), 180)
            await world.act(f"/{PHONE}/start", payload=event.challenge_id.hex)
            await world.shows(lambda chat: chat["reply_keyboard"])
            await world.act(f"/{PHONE}/contact", kind="own")
        with world.service(signal.SIGKILL):
            await world.shows(lambda chat: any(m["buttons"] for m in chat["messages"]))
            await world.act(f"/{PHONE}/tap", label=YES)
        with world.service():
            heard = await replies(world.connection)
            assert len({reply.event_id for reply in heard}) == 1
            outcome = Outcome(challenge_id=event.challenge_id, appointment_id=ids.new_id(), result=Result.VERIFIED)
            judged = ReplyJudged(
                organisation_id=ORGANISATION,
                subject=heard[0].subject,
                version=1,
                at=utc_now(),
                conversation_id=heard[0].conversation_id,
                outcomes=(outcome,),
            )
            await producer.publish([encode(judged)])
            chat = await world.shows(lambda chat: any("हो गया ✓" in m["text"] for m in chat["messages"]))
            assert not [m for m in chat["messages"] if m["from_bot"] and "हो गया ✓" in m["text"] and m["buttons"]]


async def _sms(world: World) -> Any:
    found = await world.get(f"/control/phones/{PHONE}/sms")
    return found and found["latest"]
