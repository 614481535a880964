"""The process as it is started, on a real Valkey and a real broker."""

import asyncio
import json
import re
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from nacl.public import PrivateKey

from shared import ids
from shared.bus import Connection, Consumer, Context, Handlers, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import ChallengeVerified, Event, MessageRequested, encode
from shared.seal import Sealer
from stack import ports
from tests.integration.otp.world import HEADERS, E, World, wrong_code

ROOT = Path(__file__).parents[3]


@pytest.fixture
def keys() -> dict[str, PrivateKey]:
    """The services' private keys."""
    return {name: PrivateKey.generate() for name in ("registry", "otp", "notifier")}


@pytest.fixture
def world(keys: dict[str, PrivateKey], world: World) -> World:
    """Sealing with keys that the process has, too, and with the real time."""
    peers = {f"{name}/a": b64encode(bytes(key.public_key)).decode() for name, key in keys.items()}
    world.seal = {name: Sealer(name, {"a": b64encode(bytes(key)).decode()}, peers) for name, key in keys.items()}
    world.now = utc_now()
    return world


@pytest.fixture
def environment(keys: dict[str, PrivateKey], valkey_url: str, own_kafka: str) -> dict[str, str]:
    """The variables of an otp on a free port."""
    port = ports.pick(None)
    peers = {f"{name}/a": b64encode(bytes(key.public_key)).decode() for name, key in keys.items()}
    return {
        "OTP_PORT": str(port),
        "OTP_KAFKA": own_kafka,
        "OTP_KAFKA_EPHEMERAL": "true",
        "OTP_SEAL_KEY": f"a:{b64encode(bytes(keys['otp'])).decode()}",
        "OTP_SEAL_PEERS": json.dumps(peers),
        "OTP_VALKEY_URL": valkey_url,
        "OTP_CODE_KEYS": json.dumps({"k1": b64encode(b"1" * 32).decode()}),
        "OTP_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


@asynccontextmanager
async def running(environment: dict[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An otp of its own process, which must end in order."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.otp", cwd=ROOT, env=environment, stdout=file, stderr=file
        )
        try:
            yield process
            process.terminate()
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def address(environment: dict[str, str], own_kafka: str, tmp_path: Path) -> AsyncIterator[str]:
    """A running otp; its log must hold no phone, code or handle, which the test checks."""
    await ensure_topics(Connection(own_kafka, "test", ephemeral=True))
    async with running(environment, tmp_path / "otp.log") as process:
        await _answers(f"{environment['OTP_PUBLIC_URL']}/ready", process, tmp_path / "otp.log")
        yield environment["OTP_PUBLIC_URL"]


async def _answers(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(120), httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    pytest.fail(log.read_text())  # noqa: ASYNC240 # the test ends here


async def test_from_a_recorded_appointment_to_a_verified_challenge(
    address: str, world: World, own_kafka: str, tmp_path: Path
) -> None:
    connection = Connection(own_kafka, "test", ephemeral=True)
    heard: asyncio.Queue[Event] = asyncio.Queue()

    async def hear(event: Event, _: Context) -> None:
        await heard.put(event)

    async def next_of(kind: type[E]) -> E:  # an event may come twice
        async with asyncio.timeout(60):
            while not isinstance(event := await heard.get(), kind):
                pass
        return event

    handlers: Handlers = {MessageRequested: hear, ChallengeVerified: hear}
    async with Producer(connection) as producer, Consumer(connection, "test", handlers, clock=utc_now):
        appointment = world.recorded()
        await producer.publish([encode(appointment)])
        message = await next_of(MessageRequested)
        (sent,) = world.messages([message])
        assert sent.code
        async with httpx.AsyncClient(headers=HEADERS, timeout=60) as browser:
            page = await browser.get(sent.link)
            assert page.status_code == 200
            form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text.split('action="/c/')[1]))
            wrong = await browser.post(sent.link, data={**form, "code": wrong_code(sent.code)})
            assert wrong.status_code == 422
            form["request_id"] = str(ids.new_id())
            right = await browser.post(sent.link, data={**form, "code": sent.code}, follow_redirects=True)
            assert right.status_code == 200
            assert "हो गया" in right.text
        verified = await next_of(ChallengeVerified)
        assert verified.appointment_id == appointment.subject
        log = re.sub(
            r'"timestamp":"[^"]*"', "", (tmp_path / "otp.log").read_text()
        )  # six digits of a second are no code
        assert sent.code not in log
        assert sent.handle not in log


async def test_a_lasting_broker_is_watched_too_since_it_can_be_replaced(
    environment: dict[str, str], world: World, own_kafka: str, tmp_path: Path
) -> None:
    await ensure_topics(Connection(own_kafka, "test", ephemeral=True))
    lasting = {**environment, "OTP_KAFKA_EPHEMERAL": "false"}
    async with running(lasting, tmp_path / "otp.log"), asyncio.timeout(120):
        while await world.challenges.known_cluster() is None:  # noqa: ASYNC110 # the other process sets no event here
            await asyncio.sleep(0.05)


async def test_a_wrong_variable_is_a_sentence_and_no_traceback(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.otp",
        cwd=ROOT, env={**environment, "OTP_GUESSES": "9"}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert (process.returncode, said.decode()) == (1, "OTP_GUESSES: Input should be less than or equal to 5\n")
