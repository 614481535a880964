"""The console's JSON and pages over a broker in memory."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from services.console.app import web
from services.console.domain import NoSuchRecord
from services.console.service import TAILS, TooManyTails, Watch
from services.console.settings import ConsoleSettings
from shared import events
from shared.bus import DeadLetter, MemoryBroker, Outgoing, Place, Received
from shared.events.codec import Undecodable, encode
from shared.lifecycle import Tasks

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
APPOINTMENT = UUID(int=2)
ENDED = encode(
    events.AppointmentEnded(
        organisation_id=UUID(int=1), subject=APPOINTMENT, version=3, at=NOW, cycle=1, reason="mistake"
    )
)
RECORD = Outgoing(ENDED.topic, ENDED.key, ENDED.value, ENDED.headers)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(lambda: NOW)


@pytest.fixture
def watch(broker: MemoryBroker) -> Watch:
    return Watch(broker.reader(), lambda: NOW)


def client(watch: Watch, token: str | None = None) -> httpx.AsyncClient:
    settings = ConsoleSettings(kafka="nowhere:1", token=SecretStr(token) if token else None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(web(watch, settings)), base_url="http://console")


def bury(broker: MemoryBroker) -> None:
    received = Received(Place("registry.appointments", 3), 7, NOW, b"+915550000210", b"\xff\x00secret", ())
    broker.append(
        DeadLetter.of(received, Undecodable(part="value", problem="x"), group="otp", attempts=1, at=NOW).outgoing()
    )


async def test_topics_lag_and_dead_letters_are_told_as_json(broker: MemoryBroker, watch: Watch) -> None:
    broker.append(RECORD)
    bury(broker)
    async with client(watch) as http:
        topics = {row["topic"]: row for row in (await http.get("/v1/topics")).json()}
        lag = (await http.get("/v1/lag", params={"group": "otp"})).json()
        dead = (await http.get("/v1/dead")).json()
    assert topics["registry.appointments"]["records"] == topics["registry.appointments"]["dead"] == 1
    assert {row["topic"]: row["records"] for row in lag}["registry.appointments"] == 1
    assert [(row["reason"], row["group"], row["count"]) for row in dead] == [("undecodable", "otp", 1)]


async def test_a_dead_letter_is_explained_without_its_contents(broker: MemoryBroker, watch: Watch) -> None:
    bury(broker)
    async with client(watch) as http:
        place = (await http.get("/v1/dead")).json()[0]["latest"]
        as_json, as_page = await http.get(f"/v1/dead/{place}"), await http.get(f"/dead/{place}")
    assert as_json.json()["origin"] == "registry.appointments/3/7"
    assert "foreign or broken producer" in as_page.text
    assert not any(secret in text for text in (as_json.text, as_page.text) for secret in ("secret", "555"))


async def test_a_place_without_a_dead_letter_is_not_found(watch: Watch) -> None:
    for place in ("registry.appointments.dead/0/5", "registry.appointments/0/0", "nothing/0/0"):
        async with client(watch) as http:
            response = await http.get(f"/v1/dead/{place}")
        assert (response.status_code, response.json()["code"]) == (404, NoSuchRecord.code)


async def test_the_overview_says_in_words_when_nothing_is_wrong(watch: Watch) -> None:
    async with client(watch) as http:
        page = (await http.get("/")).text
    assert "There is none." in page
    assert "up to date" in page


async def test_a_tail_shows_new_records_of_the_appointment(broker: MemoryBroker, watch: Watch) -> None:
    async def write() -> None:
        for record in (replace(RECORD, headers=()), RECORD):
            broker.append(record)

    async with contextlib.aclosing(watch.tail(str(APPOINTMENT), None)) as rows, Tasks() as tasks:
        tasks.spawn(write(), "write")
        seen = [await anext(rows), await anext(rows)]
    events_seen = [row.event for row in seen if not isinstance(row, int)]
    assert events_seen == ["?", "appointment.ended.v1"], "a record that nobody can read is shown by its key"


async def test_only_so_many_people_may_follow(watch: Watch) -> None:
    watch._tails = TAILS
    with pytest.raises(TooManyTails):
        await anext(watch.tail(None, None))


async def test_a_token_is_asked_for_where_one_is_set(watch: Watch) -> None:
    async with client(watch, "operators") as http:
        assert (await http.get("/v1/topics")).status_code == 401
        good = await http.get("/v1/topics", headers={"authorization": "Bearer operators"})
    assert good.status_code == 200


def test_listening_to_the_world_needs_a_token() -> None:
    with pytest.raises(ValidationError, match="CONSOLE_TOKEN"):
        ConsoleSettings(kafka="k:1", host="0.0.0.0")  # noqa: S104 - that is the point


async def test_static_files_are_cached_for_ever_under_their_hash(watch: Watch) -> None:
    async with client(watch) as http:
        page = (await http.get("/")).text
        path = page.partition('href="/static/')[2].partition('"')[0]
        response = await http.get(f"/static/{path}")
    assert "immutable" in response.headers["cache-control"]
