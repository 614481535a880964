"""After a full run, no code, handle, full phone or sealed name lies where it must not."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest
import redis

from shared.bus import ALL_TOPICS, Connection
from tests.e2e.conftest import CODES, System
from tests.e2e.test_main_job import tap_first
from tests.e2e.world import CODE, LINK, PATIENCE, Appointee, ConfirmPage, code_in, fetch, handle_in, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

UNIT = CODES[-1]


@dataclass(frozen=True)
class Secrets:
    """What must be found nowhere; a code only as a number of its own, since six digits occur in times and offsets."""

    texts: frozenset[str]
    codes: frozenset[str]
    names: frozenset[str]

    def found_in(self, sink: str, *, names_allowed: bool = False) -> list[str]:
        """Kinds and beginnings of the secrets in `sink`."""
        wanted = self.texts if names_allowed else self.texts | self.names
        plain = [secret for secret in wanted if secret in sink]
        return plain + [code for code in re.findall(r"(?<![\w.:-])\d{6}(?![\w.:-])", sink) if code in self.codes]


@pytest.fixture(scope="module")
def secrets(system: System) -> Secrets:
    """Of a run with every way, every kind of failure, and whatever other tests of this session did."""
    people = [Appointee(800_000 + number) for number in range(6)]
    for who in people:
        system.phones.add(who)
    act(system, people)
    sent = [sms["body"] for sms in system.phones.sent()]
    chats = [system.phones.http.get(f"/phones/{who.phone}/chat").text for who in people]
    handles = {link.rpartition("/")[2] for body in sent for link in LINK.findall(body)}
    phones = {phone["phone"] for phone in system.phones.http.get("/phones", params={"limit": 1000}).json()}
    digits = {form for phone in phones for form in (phone, phone[1:], phone[3:])}
    names = {name for who in people for name in who.name.values()}
    codes = {code for text in (*sent, *chats) for code in CODE.findall(text)}
    assert len(handles) >= 6
    assert len(codes) >= 6
    secrets = Secrets(frozenset(handles | digits), frozenset(codes), frozenset(names))
    for planted in (*codes, *handles, *phones, *names):
        assert secrets.found_in(f'{{"field": "{planted}"}}'), "the canary does not sing"
    return secrets


def act(system: System, people: list[Appointee]) -> None:
    """All the ways, and what goes wrong on them; until all that follows has been written, too."""
    web, sms, telegram, refuses, garbled, guesses = people
    posts = ("president", "secretary", "bla2", "whatsapp", "mkb", "panna")
    made = {who: system.registry.record(UNIT, post, who)["id"] for post, who in zip(posts, people, strict=True)}
    invitations = {who: system.phones.sms(who, "/c/") for who in people}
    ConfirmPage.of(invitations[web]).confirm(code_in(invitations[web]))
    system.phones.do(sms, "reply", text=code_in(invitations[sms]))
    system.phones.do(telegram, "start", payload=handle_in(invitations[telegram]))
    asked = system.phones.message(telegram)
    system.phones.do(telegram, "contact", kind="own")
    tap_first(system, telegram, asked["seq"])
    ConfirmPage.of(invitations[refuses]).refuse()
    system.phones.do(garbled, "reply", text=f"my number is {garbled.phone} and I am {garbled.name['en']}")
    for _ in range(2):
        ConfirmPage.of(invitations[guesses]).confirm("000000")
    misuse(system, web, invitations[web]["body"])
    for who in people:
        system.registry.until_delivered(made[who])
    for who, state in ((web, "verified"), (sms, "verified"), (telegram, "verified"), (refuses, "refused")):
        system.registry.until_state(made[who], state)


def misuse(system: System, who: Appointee, body: str) -> None:
    """Requests whose errors could repeat what they hold."""
    registry, link = system.registry.http, LINK.search(body)
    assert link
    for wrong in ({"phone": who.phone, "unit": who.phone}, {"phone": [who.phone]}, {"unit": UNIT, "post": who.phone}):
        assert registry.post("/v1/appointments", json=wrong).status_code == 422
    registry.get(f"/v1/appointments/{who.phone}")
    notifier = system.endpoints.services["notifier"]
    httpx.post(f"{notifier}/twilio/inbound", data={"From": who.phone, "Body": body}, timeout=PATIENCE)
    fetch(link[0] + "/nowhere")
    elsewhere = {"origin": "https://elsewhere.example"}
    httpx.post(link[0], data={"code": who.phone}, headers=elsewhere, timeout=PATIENCE)


def test_no_topic_holds_a_secret(system: System, secrets: Secrets) -> None:
    async def everything() -> list[str]:
        connection = Connection(system.endpoints.kafka, "test-canary", ephemeral=system.kafka_is_embedded)
        async with connection.reader() as reader:
            return [
                f"{record.place} {record.key!r} {record.headers!r} {(record.value or b'').decode('utf-8', 'replace')}"
                async for record in reader.read(ALL_TOPICS)
            ]

    records = system.runner.run(everything())
    assert len(records) > 30
    nothing(secrets, records)


def test_no_log_holds_a_secret(system: System, secrets: Secrets) -> None:
    logs = sorted(system.logs.glob("*.log"))
    assert len(logs) >= 8, "servers and services all write logs"
    nothing(secrets, (log.read_text(errors="replace") for log in logs))


def test_no_metric_holds_a_secret(system: System, secrets: Secrets) -> None:
    nothing(secrets, (fetch(f"{url}/metrics").text for url in system.endpoints.services.values()))


def test_no_span_holds_a_secret(system: System, secrets: Secrets) -> None:
    acts = {"POST /c/{handle}", "POST /twilio/inbound", "handle update", "deliver sms"}
    until(lambda: acts <= {span.name for span in system.collector.spans}, "what people did has been exported")
    nothing(secrets, (span.text for span in list(system.collector.spans)))


def test_valkey_holds_no_secret(system: System, secrets: Secrets) -> None:
    nothing(secrets, dump_of_valkey(system.services["otp"].environment["OTP_VALKEY_URL"]))


def dump_of_valkey(url: str) -> Iterator[str]:
    readers = {
        b"string": lambda client, key: client.get(key),
        b"hash": lambda client, key: client.hgetall(key),
        b"set": lambda client, key: client.smembers(key),
        b"zset": lambda client, key: client.zrange(key, 0, -1),
        b"list": lambda client, key: client.lrange(key, 0, -1),
        b"stream": lambda client, key: client.xrange(key),
    }
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            kind = client.type(key)
            if kind != b"none":  # it expired meanwhile
                yield f"{key!r} {readers[kind](client, key)!r}"


@pytest.mark.parametrize("service", ["notifier", "registry"])
def test_the_tables_hold_no_secret(system: System, secrets: Secrets, service: str) -> None:
    url = system.services[service].environment[f"{service.upper()}_DATABASE_URL"]
    rows = system.runner.run(dump_of_tables(url))
    assert len(rows) > 20
    nothing(secrets, rows, names_allowed=service == "registry")


async def dump_of_tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [
            str(row[0])
            for table in tables
            for row in await connection.fetch(f'SELECT t::text FROM "{table[0]}" AS t')  # noqa: S608 - its own tables
        ]
    finally:
        await connection.close()


def test_pages_and_answers_show_no_full_phone_code_or_handle(system: System, secrets: Secrets) -> None:
    registry, console = system.registry.http, system.endpoints.services["console"]
    made = registry.get(f"/v1/units/{UNIT}").json()
    ids = [held["appointment"] for post in made["posts"] for held in post["held"]]
    assert ids
    shown = [registry.get(f"/v1/units/{UNIT}").text, *(registry.get(f"/v1/appointments/{each}").text for each in ids)]
    watched = [fetch(console + path).text for path in ("/", "/v1/topics", "/v1/lag", "/v1/dead")]
    nothing(secrets, shown, names_allowed=True)
    nothing(secrets, watched)


def nothing(secrets: Secrets, sinks: Iterable[str], *, names_allowed: bool = False) -> None:
    for sink in sinks:
        found = secrets.found_in(sink, names_allowed=names_allowed)
        where = sink[:80] + " ... " + "".join(sink[max(0, sink.find(f) - 60) : sink.find(f)] for f in found[:1])
        assert not found, f"{len(found)} secrets in: {where}"
