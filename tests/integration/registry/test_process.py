"""The registry as a process, on a real database and a real broker."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from services.registry.domain.failures import BadSignIn
from services.registry.service.gate import RECORDER
from shared import ids
from shared.bus import Connection, Producer, ensure_topics
from shared.clock import utc_now
from shared.events import (
    APPOINTMENTS,
    AppointmentRecorded,
    ChallengeVerified,
    Notice,
    Via,
    decode,
    encode,
)
from stack import ports
from stack.embedded import Binaries, Tansu
from stack.embedded.starting import drive
from stack.folder import RunFolder
from tests.integration.registry.conftest import NOW, Registry, until

ROOT = Path(__file__).parents[3]
BODY: dict[str, Any] = {
    "unit": "1-1",
    "post": "president",
    "person": {"name": {"hi": "सुनीता परमार", "en": "Sunita Parmar"}, "gender": "female"},
    "phone": "+91 555 000 0001",
    "notice": {"version": "2026-11", "language": "hi"},
}


@asynccontextmanager
async def process(variables: dict[str, str], act: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("ab") as file:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.registry", act,
            cwd=ROOT, env=variables, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            yield running
        finally:
            if running.returncode is None:
                running.terminate()
            assert await asyncio.wait_for(running.wait(), 60) in {0, -9}


async def until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await http.get("/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def until_state(http: httpx.AsyncClient, appointment: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            view: dict[str, Any] = (await http.get(f"/v1/appointments/{appointment}")).json()
            if view["state"] == state:
                return view
            await asyncio.sleep(0.05)


@asynccontextmanager
async def reading(bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(APPOINTMENTS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@pytest.fixture
def environment(variables: dict[str, str], own_kafka: str, registry: Registry) -> dict[str, str]:
    return variables | {"REGISTRY_KAFKA": own_kafka, "REGISTRY_PORT": str(ports.pick())}


@pytest.fixture
def other_kafka(binaries: Binaries, run_folder: RunFolder) -> Iterator[str]:
    """A second broker."""
    broker = Tansu(binaries.tansu, run_folder, None, label="tansu-other")
    drive(broker.starting())
    assert broker.child is not None
    yield broker.bootstrap
    broker.child.end()


@pytest.fixture
async def http(environment: dict[str, str], registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    api_key = await registry.service.gate.issue_key(registry.settings.organisation_id, RECORDER, NOW)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{environment['REGISTRY_PORT']}",
        headers={"authorization": f"Bearer {api_key}"},
        timeout=60,
    ) as client:
        yield client


async def test_record_goes_to_the_topic_and_a_verified_challenge_comes_back(
    environment: dict[str, str], http: httpx.AsyncClient, own_kafka: str, tmp_path: Path
) -> None:
    connection = Connection(own_kafka, "test", ephemeral=True)
    await ensure_topics(connection)
    log = tmp_path / "log"
    async with process(environment, "serve", log):
        await until_ready(http)
        answer = await http.post("/v1/appointments", json=BODY, headers={"Idempotency-Key": "a"})
        assert answer.status_code == 201, answer.text
        appointment = answer.json()["id"]
        async with reading(own_kafka) as consumer, asyncio.timeout(60):
            record = await consumer.getone()
        event = decode(record.value, record.headers)
        assert isinstance(event, AppointmentRecorded)
        assert str(event.subject) == appointment
        verified = ChallengeVerified(
            organisation_id=event.organisation_id,
            subject=ids.challenge_id(event.subject, 1),
            version=2,
            at=event.at + timedelta(seconds=1),
            appointment_id=event.subject,
            cycle=1,
            via=Via.SMS,
            verified_at=event.at + timedelta(seconds=1),
            notice=Notice(version="1", language="hi", at=event.at),
        )
        async with Producer(connection) as producer:
            await producer.publish([encode(verified)])
        view = await until_state(http, appointment, "verified")
        assert [entry["kind"] for entry in view["timeline"]] == ["recorded", "verified"]

        async def counted() -> bool:  # the relay marks and counts what it has published, and we may have read it before
            return "boothline_outbox_published_total 1.0" in (await http.get("/metrics")).text.splitlines()

        await until(counted)
        metrics = (await http.get("/metrics")).text
    written = log.read_text() + json.dumps(view) + answer.text + metrics
    for personal in ("5550000001", "Parmar", "परमार"):
        assert personal not in written


async def test_relays_killed_at_work_lose_nothing_and_repeat_only_the_same_events(
    environment: dict[str, str], http: httpx.AsyncClient, own_kafka: str, tmp_path: Path
) -> None:
    await ensure_topics(Connection(own_kafka, "test", ephemeral=True))
    logs = [tmp_path / "first", tmp_path / "second"]
    async with (
        process(environment | {"REGISTRY_RELAY": "false"}, "serve", tmp_path / "log"),
        process(environment, "relay", logs[0]) as first,
        process(environment, "relay", logs[1]),
    ):

        async def both_relay() -> bool:
            return all("registry relays" in log.read_text() for log in logs)

        await until(both_relay, 120)
        await until_ready(http)
        appointments: set[str] = set()
        seats = [(unit, post) for unit in ("1-1", "1-2", "1-3") for post in ("president", "secretary", *["member"] * 5)]
        for number, (unit, post) in enumerate(seats):
            person = {"name": {"en": f"Person {chr(65 + number)}"}}
            body = BODY | {"unit": unit, "post": post, "person": person, "phone": f"+9155500002{number:02}"}
            answer = await http.post("/v1/appointments", json=body)
            assert answer.status_code == 201, answer.text
            appointments.add(answer.json()["id"])
            if number == 10:
                first.kill()
        seen: dict[str, set[bytes]] = {}
        async with reading(own_kafka) as consumer, asyncio.timeout(60):
            while seen.keys() != appointments:
                record = await consumer.getone()
                seen.setdefault(record.key.decode(), set()).add(dict(record.headers)["ce_id"])
        assert {len(events) for events in seen.values()} == {1}


async def test_a_new_broker_without_memory_gets_everything_again(
    environment: dict[str, str], registry: Registry, http: httpx.AsyncClient, other_kafka: str, tmp_path: Path
) -> None:
    own_kafka = environment["REGISTRY_KAFKA"]
    log = tmp_path / "log"
    for bootstrap in (own_kafka, other_kafka):
        await ensure_topics(Connection(bootstrap, "test", ephemeral=True))
    async with process(environment, "serve", log):
        await until_ready(http)
        appointment = (await http.post("/v1/appointments", json=BODY)).json()["id"]
        async with reading(own_kafka) as consumer, asyncio.timeout(60):
            assert (await consumer.getone()).key.decode() == appointment
        # A relay publishes, and looks which broker it is, in two tasks.
        await until(lambda: registry.rows("SELECT FROM cluster"))
    async with process(environment | {"REGISTRY_KAFKA": other_kafka}, "serve", log):
        async with reading(other_kafka) as consumer, asyncio.timeout(60):
            assert (await consumer.getone()).key.decode() == appointment
        await until_ready(http)


async def test_bootstrap_prints_a_key_that_works_and_a_link_that_works_once(
    environment: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    async def run(act: str, *more: str) -> str:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.registry", act, *more, cwd=ROOT, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(running.communicate(), 120)
        assert running.returncode == 0
        return out.decode()

    made = json.loads(await run("bootstrap", "--json"))
    again = json.loads(await run("bootstrap", "--json"))
    gate = registry.service.gate
    for answer in (made, again):
        assert (await gate.by_key(answer["api_key"])).name == RECORDER
        base, _, token = answer["sign_in_url"].rpartition("/sign-in/")
        assert base == environment["REGISTRY_PUBLIC_URL"]
    now = utc_now()
    session = await gate.sign_in(token, now)
    principal = await gate.principal(session, now)
    assert principal is not None
    with pytest.raises(BadSignIn):
        await gate.sign_in(token, now)
    late = (await run("sign-in")).strip().rpartition("/")[2]
    with pytest.raises(BadSignIn):
        await gate.sign_in(late, utc_now() + timedelta(minutes=16))
    assert len(await registry.rows("SELECT 1 FROM account")) == 2
    kept = await registry.rows("SELECT key_hash FROM api_key")
    assert all(made["api_key"].encode() not in row["key_hash"] for row in kept)
