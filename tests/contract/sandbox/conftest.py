"""A sandbox on a free port, an unmodified aiogram bot in front of it, and the control API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from services.sandbox.app import running
from services.sandbox.service.sandbox import Sandbox
from services.sandbox.settings import Settings
from shared.lifecycle import Tasks

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


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    async with Tasks() as owned:
        yield owned


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, retry_first=0.02, inbound_url="http://127.0.0.1:1/twilio/inbound")


@pytest.fixture
async def served(tasks: Tasks, settings: Settings) -> AsyncIterator[tuple[Sandbox, str]]:
    async with running(settings, tasks) as (sandbox, port):
        yield sandbox, f"http://127.0.0.1:{port}"


@pytest.fixture
def sandbox(served: tuple[Sandbox, str]) -> Sandbox:
    return served[0]


@pytest.fixture
def url(served: tuple[Sandbox, str]) -> str:
    return served[1]


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
    await made.session.close()
