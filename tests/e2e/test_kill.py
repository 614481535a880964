"""Every process is killed at random moments while people record and confirm: nothing is lost, nothing counts twice."""

import random  # noqa: TID251 - seeded and printed: a failure can be replayed
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.bus import Connection
from shared.events import CHALLENGES, DELIVERIES, ChallengeVerified, DeliveryUnknown, Event, Topic, UnknownType, decode
from stack.services import Service
from tests.e2e.conftest import CODES, System, started
from tests.e2e.test_main_job import tap_first
from tests.e2e.world import Appointee, ConfirmPage, Json, code_in, handle_in, patiently

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

APPOINTMENTS = 100
SEED = 20261124
VICTIMS = ("otp", "notifier", "registry", "relay")
POSTS = ("president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of this test alone, with the registry's relay as a process of its own beside the serving one."""
    with started(tmp_path_factory.mktemp("kill")) as system:
        registry = system.services["registry"]
        environment = {**registry.environment, "REGISTRY_RELAY": "false"}
        system.services["registry"] = Service("registry", registry.arguments, registry.port, environment)
        system.services["relay"] = Service("relay", (*registry.arguments, "relay"), 0, environment)
        system.kill("registry")
        system.start("registry")
        system.start("relay", ready=False)
        yield system


def test_after_kills_at_random_points_every_appointment_is_verified_once(system: System) -> None:
    luck = random.Random(SEED)
    print(f"seed {SEED}")
    people = [Appointee(900_000 + number) for number in range(APPOINTMENTS)]
    for who in people:
        system.phones.add(who)
    with ThreadPoolExecutor(8) as workers:
        acts = [workers.submit(live, system, who, number) for number, who in enumerate(people)]
        kills = kill_until_done(system, luck, acts)
        made = [act.result() for act in acts]
    print(f"{kills} kills")
    assert kills >= 12, f"only {kills} kills: the test proves nothing"
    for appointment in made:
        system.registry.until_state(appointment["id"], "verified", timeout=90)
    audit(system, made)


def live(system: System, who: Appointee, number: int) -> Json:
    """Recorded, then confirmed by one of the three ways; whoever is away is tried again, as people do."""
    unit, post = CODES[200 + number // len(POSTS)], POSTS[number % len(POSTS)]
    made = patiently(lambda: system.registry.record(unit, post, who, key=f"kill-{number}"), 120)
    sms = patiently(lambda: system.phones.sms(who, "/c/", timeout=60), 120)
    ways: tuple[Callable[[], object], ...] = (
        lambda: ConfirmPage.of(sms).confirm(code_in(sms)),
        lambda: system.phones.do(who, "reply", text=code_in(sms)),
        lambda: in_telegram(system, who, sms),
    )
    patiently(ways[number % len(ways)], 120)
    return made


def in_telegram(system: System, who: Appointee, sms: Json) -> None:
    """Start by the link, share the contact, tap."""
    system.phones.do(who, "start", payload=handle_in(sms))
    asked = system.phones.message(who, timeout=60)
    system.phones.do(who, "contact", kind="own")
    tap_first(system, who, asked["seq"], timeout=120)


def kill_until_done(system: System, luck: random.Random, acts: list[Future[Json]]) -> int:
    """Kill and restart one process after another until all people are done; returns how often. Nobody waits until
    the restarted one is ready, so that several are away at times."""
    kills = 0
    while not all(act.done() for act in acts):
        victim = luck.choice(VICTIMS)
        system.kill(victim)
        kills += 1
        time.sleep(luck.uniform(0.0, 0.5))
        system.start(victim, ready=False)
        time.sleep(luck.uniform(2.0, 6.0))
    return kills


def audit(system: System, made: list[Json]) -> None:
    """Reconcile what the registry shows, what the topics state and what the carrier got."""
    for appointment in made:
        shown = system.registry.appointment(appointment["id"])
        kinds = Counter(entry["kind"] for entry in shown["timeline"])
        assert kinds["verified"] == 1, kinds
    events = list(read(system, CHALLENGES, DELIVERIES))
    verified = {event.event_id: event for event in events if isinstance(event, ChallengeVerified)}
    assert Counter(str(event.appointment_id) for event in verified.values()) == Counter(a["id"] for a in made)
    unknown = {event.subject for event in events if isinstance(event, DeliveryUnknown)}
    sends = Counter(message_of(sms) for sms in system.phones.sent() if "/c/" in sms["body"] and not sms["inbound"])
    repeated = {message: count for message, count in sends.items() if count > 1}
    assert not repeated, f"the same attempt was sent again: {repeated}"
    extra = len(sends) - len(made)
    print(f"{len(sends)} invitations for {len(made)} appointments, {len(unknown)} sends of unknown outcome")
    assert extra <= len(unknown), "a repeat without a send in flight"


def message_of(sms: Json) -> str:
    """Our message id, from the path of the callback that the send named."""
    parts = urlsplit(sms["callback"])
    assert not parse_qs(parts.query).get("code"), "a code in a callback"
    return Path(parts.path).name


def read(system: System, *topics: Topic) -> list[Event]:
    """Every event of some topics."""

    async def everything() -> list[Event]:
        connection = Connection(system.endpoints.kafka, "test-audit", ephemeral=system.kafka_is_embedded)
        async with connection.reader() as reader:
            return [event async for record in reader.read(topics) if (event := known(record.value, record.headers))]

    return system.runner.run(everything())


def known(value: bytes | None, headers: tuple[tuple[str, bytes | None], ...]) -> Event | None:
    try:
        return decode(value, headers)
    except UnknownType:
        return None
