"""A sandbox on a free port, an unmodified aiogram bot in front of it, and the control API."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from services.sandbox.settings import Settings
from tests.integration.sandbox.process import own_port, sandbox

TOKEN = "7000000001:sandbox-token"
ANITA = "+915550000210"
RAVI = "+915550000447"


@dataclass(frozen=True)
class Control:
    """The control API as tests use it."""

    http: aiohttp.ClientSession
    url: str

    async def post(self, path: str, **body: Any) -> Any:
        """POST a JSON body; the answer must be 2xx."""
        return await self._call("POST", path, body)

    async def put(self, path: str, **body: Any) -> Any:
        """PUT a JSON body; the answer must be 2xx."""
        return await self._call("PUT", path, body)

    async def patch(self, path: str, **body: Any) -> Any:
        """PATCH with a JSON body; the answer must be 2xx."""
        return await self._call("PATCH", path, body)

    async def get(self, path: str, **query: Any) -> Any:
        """GET; the answer must be 2xx."""
        async with self.http.get(f"{self.url}/control{path}", params=query) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        async with self.http.request(method, f"{self.url}/control{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    """What the sandbox is started with; phones' answers go to a port that a test may listen on."""
    with own_port() as port, own_port() as inbound:
        yield Settings(port=port, inbound_url=f"http://127.0.0.1:{inbound}/twilio/inbound")


@pytest.fixture(scope="session")
def running(settings: Settings) -> Iterator[str]:
    """The URL of the session's sandbox."""
    variables = {"SANDBOX_INBOUND_URL": settings.inbound_url, "SANDBOX_RETRY_FIRST": "0.02"}
    with sandbox(settings.port, **variables) as url:
        yield url


@pytest.fixture
def url(running: str) -> str:
    """The URL of an empty sandbox."""
    httpx.post(f"{running}/control/reset", timeout=60).raise_for_status()
    return running


@pytest.fixture
async def control(url: str) -> AsyncIterator[Control]:
    async with aiohttp.ClientSession() as http:
        made = Control(http, url)
        await made.post("/phones", phone=ANITA, name="Anita", last_name="Kushwaha", language="hi")
        await made.post("/phones", phone=RAVI, name="Ravi", language="en")
        yield made


@pytest.fixture
async def bot(url: str) -> AsyncIterator[Bot]:
    made = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
    yield made
    assert isinstance(made.session, AiohttpSession)
    if made.session._session is not None:
        await made.session._session.close()  # session.close() sleeps a quarter of a second more
