"""What Kafka refuses is said with its cause in /ready and in the log, and nothing is lost until it is put right."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from shared.bus import Connection, Consumer, NotHearing, Outgoing, Producer, TopicForbidden
from shared.bus.wire import AccessRefused, Place
from shared.clock import utc_now
from shared.events import PEOPLE, PersonErased, encode
from shared.events.rights import Right
from shared.ids import new_id
from stack import ports
from tests.contract.bus.scenery import Heard, erased, until
from tests.integration.security.certificates import Authority
from tests.integration.security.secured import RAN_OUT, Secured

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]
PATIENT = """
import sys
from shared.bus import __main__
from shared.bus.kafka import diagnosis
diagnosis._SECONDS = 60.0
sys.exit(__main__.main(["topics"]))
"""
"""`python -m shared.bus topics` with time for the question why it was refused: there is no second one."""
PATIENCE = 120.0
"""Seconds; a consumer that was refused tries again every two, but one that lost its group cannot even leave it, and the
next member waits for the end of its session (30 s)."""


@dataclass
class Hearing:
    """A consumer of otp, and what it heard."""

    consumer: Consumer
    heard: Heard

    async def refused(self, cause: str) -> None:
        """Wait until /ready says why."""
        await until(lambda: re.search(cause, self.consumer.health.refused or ""), PATIENCE)
        with pytest.raises(NotHearing, match=f"Group otp hears nothing: broker. Kafka does not let .*{cause}"):
            await self.consumer.probe()

    async def all_of(self, events: Sequence[PersonErased]) -> None:
        """Wait until each has been handled, and the consumer is well again."""
        wanted = {event.subject for event in events}
        await until(lambda: wanted <= {event.subject for event, _ in self.heard.calls}, PATIENCE)
        await until(lambda: self.consumer.health.problem is None, PATIENCE)


@contextlib.asynccontextmanager
async def hearing(connection: Connection) -> AsyncIterator[Hearing]:
    """A consumer in the group of otp, started."""
    heard = Heard()
    async with Consumer(connection, "otp", {PersonErased: heard}, clock=utc_now, topics=(PEOPLE,)) as consumer:
        yield Hearing(consumer, heard)


async def published(kafka: Secured, number: int = 5) -> list[PersonErased]:
    """Events of the registry, acknowledged by the broker."""
    events = [erased(str(new_id())) for _ in range(number)]  # other runs' records lie there, too
    async with Producer(kafka.connection("registry")) as producer:
        await producer.publish([encode(event) for event in events])
    return events


@contextlib.contextmanager
def without(kafka: Secured, right: Right) -> Iterator[None]:
    """The right is taken away, and given back at the end."""
    kafka.forbid([right])
    try:
        yield
    finally:
        kafka.allow([right])


async def test_a_certificate_that_ran_out_is_named_with_its_date_and_all_is_heard_once_it_is_renewed(
    kafka: Secured,
) -> None:
    events = await published(kafka)
    with capture_logs() as said:
        async with hearing(kafka.at_the_door("otp")) as hears:
            day = f"{kafka.authority.now + RAN_OUT:%Y-%m-%d}"
            await hears.refused(rf"certificate of 127\.0\.0\.1:{kafka.door} expired on {day} at \d\d:\d\d UTC")
            kafka.renew()
            await hears.all_of(events)
    lines = [line for line in said if line["event"] == "broker away, joining again"]
    line = next(line for line in lines if "expired on" in line["reason"])
    assert (line["log_level"], line["error_code"]) == ("warning", AccessRefused.code)


async def test_a_wrong_password_is_named_and_all_is_heard_once_kafka_knows_it(kafka: Secured) -> None:
    events = await published(kafka)
    async with hearing(kafka.connection("otp", "a-new-password")) as hears:
        await hears.refused("refused user otp: wrong password, or unknown user")
        kafka.set_password("otp", "a-new-password")
        try:
            await hears.all_of(events)
        finally:
            kafka.set_password("otp", kafka.passwords["otp"])


async def test_a_foreign_ca_is_named_and_all_is_heard_once_the_file_is_exchanged(
    kafka: Secured, tmp_path: Path
) -> None:
    events = await published(kafka)
    foreign = Authority("somebody else", utc_now()).trusted(tmp_path / "ca.pem")
    connection = kafka.connection("otp")
    async with hearing(replace(connection, access=replace(connection.access, ca_file=foreign))) as hears:
        await hears.refused(f"is not signed by a CA of {foreign}")
        foreign.write_bytes(kafka.ca_file.read_bytes())
        await hears.all_of(events)


@pytest.mark.parametrize(
    ("right", "cause"),
    [
        (
            Right("otp", "topic", PEOPLE.name, "Read"),
            rf"user otp may not read .*{PEOPLE.name}|{PEOPLE.name} is missing",
        ),
        (Right("otp", "group", "otp", "Read"), "user otp may not use consumer group otp"),
    ],
)
async def test_a_right_that_is_taken_from_a_running_consumer_is_named_and_nothing_is_missed(
    kafka: Secured, right: Right, cause: str
) -> None:
    async with hearing(kafka.connection("otp")) as hears:
        await hears.all_of(await published(kafka))
        with without(kafka, right):
            events = await published(kafka)
            await hears.refused(cause)
        await hears.all_of(events)


async def test_a_producer_without_its_right_says_so_and_goes_on_when_it_is_given_back(kafka: Secured) -> None:
    event = erased(str(new_id()))
    async with Producer(kafka.connection("registry")) as producer, hearing(kafka.connection("otp")) as hears:
        with without(kafka, Right("registry", "topic", PEOPLE.name, "Write")):
            with pytest.raises(TopicForbidden, match=PEOPLE.name):
                await producer.publish([encode(event)])
            with pytest.raises(TopicForbidden, match=PEOPLE.name):
                await producer.probe()

        async def taken() -> bool:
            with contextlib.suppress(TopicForbidden):
                await producer.publish([encode(event)])
                return True
            return False

        await eventually(taken)
        await producer.probe()
        await hears.all_of([event])


async def test_a_dead_letter_that_may_not_be_written_holds_its_record_until_it_may(kafka: Secured) -> None:
    registry = kafka.connection("registry")
    poison = Outgoing(PEOPLE.name, b"poison", b"{", (("ce_type", PersonErased.type.encode()),))
    places = [Place(PEOPLE.dead.name, 0)]
    console = kafka.connection("console").reader()
    before = await console.ends([PEOPLE.dead])
    async with hearing(kafka.connection("otp")) as hears:
        await hears.all_of(await published(kafka))
        with without(kafka, Right("otp", "topic", PEOPLE.dead.name, "Write")):
            async with Producer(registry) as producer:
                await producer.send([poison])
            await until(lambda: hears.consumer.health.problem == "dead_letter_unwritten", PATIENCE)
            assert await console.ends([PEOPLE.dead]) == before
        await until(lambda: hears.consumer.health.problem is None, PATIENCE)
        await hears.all_of(await published(kafka))
    assert (await console.ends([PEOPLE.dead]))[places[0]] == before[places[0]] + 1


async def eventually(attempt: Callable[[], Awaitable[bool]]) -> None:
    """Return when an attempt has succeeded. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not await attempt():  # noqa: ASYNC110 # it depends on the broker: there is no event to wait for
            await asyncio.sleep(0.2)


@dataclass
class Process:
    """A console in a process of its own."""

    port: int
    log: Path

    async def ready(self, http: httpx.AsyncClient) -> tuple[int, str]:
        """Status and text of /ready, as soon as it answers."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await http.get(f"http://127.0.0.1:{self.port}/ready")
                    return answer.status_code, answer.text
                await asyncio.sleep(0.1)

    async def says(self, http: httpx.AsyncClient, cause: str) -> bool:
        """Whether it is not ready for this reason."""
        status, text = await self.ready(http)
        assert status == 503
        return cause in text

    async def is_ready(self, http: httpx.AsyncClient) -> bool:
        """Whether it says so."""
        return (await self.ready(http))[0] == 200


@contextlib.asynccontextmanager
async def console(kafka: Secured, tmp_path: Path, **told: str) -> AsyncIterator[Process]:
    """A console as its own principal, but for what is `told`."""
    port = ports.pick()
    variables = (
        kafka.environment("console", "CONSOLE_") | {"CONSOLE_PORT": str(port), "CONSOLE_LAG_SECONDS": "5"} | told
    )
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.console", cwd=ROOT, env={"PATH": os.defpath} | variables,
            stdout=out, stderr=out,
        )  # fmt: skip
        try:
            yield Process(port, log)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def test_a_process_with_a_wrong_password_lives_says_why_and_is_ready_once_it_is_right(
    kafka: Secured, tmp_path: Path
) -> None:
    async with (
        httpx.AsyncClient(timeout=60) as http,
        console(kafka, tmp_path, CONSOLE_KAFKA_PASSWORD="a-new-password") as process,
    ):
        await eventually(partial(process.says, http, "refused user console: wrong password, or unknown user"))
        kafka.set_password("console", "a-new-password")
        try:
            await eventually(partial(process.is_ready, http))
        finally:
            kafka.set_password("console", kafka.passwords["console"])
    lines = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
    said = [line for line in lines if line.get("event") == "the broker cannot be asked"]
    assert any(line["error_code"] == AccessRefused.code and "wrong password" in line["reason"] for line in said)
    assert "a-new-password" not in process.log.read_text()


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        ({"TOPICS_KAFKA_PASSWORD": "wrong"}, 1, "refused user topics: wrong password, or unknown user"),
        ({"TOPICS_KAFKA_CA_FILE": "", "TOPICS_SANDBOX": "true"}, 1, "expects TLS"),
    ],
)
async def test_making_the_topics_ends_with_a_code_and_a_sentence(
    kafka: Secured, told: dict[str, str], code: int, said: str
) -> None:
    variables = kafka.environment("topics", "TOPICS_") | told
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PATIENT, cwd=ROOT, env={"PATH": os.defpath} | variables,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == code, out + err
    assert said in err.decode()
