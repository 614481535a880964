"""The console's JSON and pages over a broker in memory."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from services.console.app import web
from services.console.domain import NoSuchName, NoSuchRecord
from services.console.service import TAILS, TooManyTails, Watch
from services.console.settings import ConsoleSettings
from shared import events
from shared.bus import BusUnavailable, DeadLetter, MemoryBroker, Outgoing, Place, Received
from shared.events import Topic
from shared.events.codec import Undecodable, encode
from shared.lifecycle import Tasks
from shared.telemetry import new_registry

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TOKEN = "t" * 43
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
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(web(watch, settings, new_registry())), base_url="http://console"
    )


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


async def test_only_so_many_people_may_follow_and_the_rest_are_told_so(watch: Watch) -> None:
    watch._tails = TAILS
    async with client(watch) as http:
        for path in ("/v1/tail", "/tail/live"):
            response = await http.get(path)
            assert (response.status_code, response.json()["code"]) == (503, TooManyTails.code)


async def test_a_group_or_topic_that_is_not_there_is_not_silence(watch: Watch) -> None:
    async with client(watch) as http:
        for path, query in (("/v1/lag", {"group": "opt"}), ("/v1/tail", {"topic": "nothing"})):
            response = await http.get(path, params=query)
            assert (response.status_code, response.json()["code"]) == (404, NoSuchName.code)
            assert "otp" in response.json()["detail"]


async def test_dead_letters_are_read_again_only_when_there_are_more(broker: MemoryBroker, watch: Watch) -> None:
    bury(broker)
    first = await watch.dead()
    assert await watch.dead() is first
    bury(broker)
    assert [row.count for row in await watch.dead()] == [2]


async def test_ready_does_not_ask_the_broker_each_time_and_notices_its_silence(broker: MemoryBroker) -> None:
    now = [NOW]
    watch = Watch(broker.reader(), lambda: now[0])
    await watch.ready()
    seen = watch._now
    await watch.ready()
    assert watch._now is seen
    now[0] += timedelta(seconds=31)
    with pytest.raises(BusUnavailable):
        await watch.ready()


async def test_a_partition_that_cannot_be_is_never_asked_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker would be waited for until a time-out."""
    monkeypatch.setattr(watch, "_reader", None)
    for partition in (-1, 1):
        with pytest.raises(NoSuchRecord):
            await watch.dead_letter("registry.appointments.dead", partition, 0)


class Away(MemoryBroker):
    """Nobody answers."""

    def places(self, topics: Sequence[Topic]) -> list[Place]:  # noqa: ARG002 # as its parent
        raise BusUnavailable


async def test_without_the_broker_people_get_a_page_and_programs_a_problem() -> None:
    async with client(Watch(Away().reader(), lambda: NOW)) as http:
        page, fragment = await http.get("/"), await http.get("/overview")
    assert (page.status_code, fragment.status_code) == (503, 503)
    assert "The broker does not answer" in page.text
    assert page.headers["content-type"].startswith("text/html")


async def test_a_token_is_asked_for_where_one_is_set(watch: Watch) -> None:
    async with client(watch, TOKEN) as http:
        assert (await http.get("/v1/topics")).status_code == 401
        good = await http.get("/v1/topics", headers={"authorization": f"Bearer {TOKEN}"})
    assert good.status_code == 200


async def test_a_browser_is_led_to_the_form_and_back(watch: Watch) -> None:
    async with client(watch, TOKEN) as http:
        led = await http.get("/tail?appointment=a-1", headers={"accept": "text/html,*/*"})
        assert (led.status_code, led.headers["location"]) == (303, "/sign-in?to=/tail?appointment=a-1")
        wrong = await http.post("/sign-in", data={"given": "x" * 43, "to": "/tail"})
        assert (wrong.status_code, wrong.cookies) == (422, httpx.Cookies())
        right = await http.post("/sign-in", data={"given": TOKEN, "to": "/tail"})
        assert (right.status_code, right.headers["location"]) == (303, "/tail")
        assert {"HttpOnly", "SameSite=strict"} <= set(right.headers["set-cookie"].split("; "))
        assert TOKEN not in right.headers["set-cookie"]
        assert (await http.get("/tail")).status_code == 200
    async with client(watch, "u" * 43) as http:
        http.cookies = right.cookies
        assert (await http.get("/overview")).status_code == 401, "a new token ends what the old one began"


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/dead/../x", "/v1/dead"])
async def test_signing_in_leads_nowhere_else(watch: Watch, to: str) -> None:
    async with client(watch, TOKEN) as http:
        right = await http.post("/sign-in", data={"given": TOKEN, "to": to})
    assert right.headers["location"] == "/"


@pytest.mark.parametrize(
    "path", ["/", "/overview", "/tail", "/tail/live", "/dead/t.dead/0/0", "/v1/topics", "/v1/tail"]
)
async def test_no_page_is_open_to_strangers(watch: Watch, path: str) -> None:
    async with client(watch, TOKEN) as http:
        for headers in ({}, {"authorization": "Bearer "}, {"cookie": "operator="}):
            assert (await http.get(path, headers=headers)).status_code == 401


def test_a_token_that_can_be_guessed_is_refused() -> None:
    for short in ("", "operators"):
        with pytest.raises(ValidationError):
            ConsoleSettings(kafka="k:1", token=SecretStr(short))


def test_listening_to_the_world_needs_a_token() -> None:
    with pytest.raises(ValidationError, match="CONSOLE_TOKEN"):
        ConsoleSettings(kafka="k:1", host="0.0.0.0")  # noqa: S104 - that is the point


async def test_static_files_are_cached_for_ever_under_their_hash(watch: Watch) -> None:
    async with client(watch) as http:
        page = (await http.get("/")).text
        icon, style = (page.split(f'rel="{kind}" href="')[1].partition('"')[0] for kind in ("icon", "stylesheet"))
        responses = [await http.get(path) for path in (icon, style)]
    assert [each.headers["content-type"].partition(";")[0] for each in responses] == ["image/svg+xml", "text/css"]
    assert all("immutable" in each.headers["cache-control"] for each in responses)
