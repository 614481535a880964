"""The contract as a page and as AsyncAPI, from the code that runs."""

import re
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from services.console.api.contract import kind
from services.console.app import web
from services.console.service import Watch
from services.console.settings import ConsoleSettings
from shared.bus import MemoryBroker
from shared.clock import utc_now
from shared.events.catalogue import CONTRACT, TOPICS
from shared.telemetry import new_registry

TOKEN = "t" * 43


@pytest.fixture
def console() -> httpx.AsyncClient:
    settings = ConsoleSettings(kafka="nowhere:1", token=SecretStr(TOKEN))
    app = web(Watch(MemoryBroker(utc_now).reader(), utc_now), settings, new_registry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console")


BEARER = {"authorization": f"Bearer {TOKEN}"}


async def test_the_document_served_is_the_one_in_docs(console: httpx.AsyncClient) -> None:
    response = await console.get("/asyncapi.json", headers=BEARER)
    assert response.headers["content-type"] == "application/json"
    assert response.content == (Path(__file__).parents[3] / "docs" / "asyncapi.json").read_bytes()


async def test_the_page_shows_every_topic_event_field_and_sealed_mark(console: httpx.AsyncClient) -> None:
    page = (await console.get("/contract", headers=BEARER)).text
    for topic in TOPICS:
        assert f'<th scope="row">{topic.name}</th>' in page
    for entry in CONTRACT:
        assert f'id="{entry.event.type}"' in page
        assert all(f'<th scope="row">{name}</th>' in page for name in entry.event.model_fields)
    assert re.search(r'>for_otp</th><td class="wide">string <strong>sealed</strong></td>', page)
    assert re.search(r'>secrets</th><td class="wide">string or null <strong>sealed</strong></td>', page)
    assert 'aria-current="page">Contract</a>' in page


async def test_both_ask_for_the_operators_token(console: httpx.AsyncClient) -> None:
    for path in ("/contract", "/asyncapi.json"):
        assert (await console.get(path)).status_code == 401
    led = await console.get("/contract", headers={"accept": "text/html"})
    assert led.headers["location"] == "/sign-in?to=/contract"


def test_a_schema_is_said_in_a_few_words() -> None:
    assert kind({"anyOf": [{"$ref": "#/components/schemas/Label"}, {"type": "null"}]}) == "Label or null"
    assert kind({"type": "array", "items": {"type": "string", "format": "uuid"}}) == "list of uuid"
    assert kind({"enum": ["a", "b"]}) == "'a' | 'b'"
    assert kind({"const": 1}) == "1"
    assert kind({}) == "any"
