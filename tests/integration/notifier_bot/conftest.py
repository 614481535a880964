"""Worlds for tests of the bot."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from services.notifier.channels import twilio
from services.notifier.channels.telegram import connection
from services.notifier.migrations import migrate
from services.notifier.store.pacing import Limit
from stack.databases import Databases
from tests.integration.notifier_bot.world import World, world


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of this machine must not look like a provider that does not answer."""
    monkeypatch.setattr(connection, "CALL_SECONDS", 120.0)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 120.0)
    monkeypatch.setattr(twilio, "_TIMEOUT", aiohttp.ClientTimeout(total=120))


@pytest.fixture(scope="module")
def shared_url(databases: Databases) -> Iterator[str]:
    """The URL of a database with the notifier's schema; `bare` empties it: a clone per test would cost more than the
    test."""
    with databases.fresh(databases.template("notifier", migrate)) as url:
        yield url


@pytest.fixture
def notifier_url(databases: Databases) -> Iterator[str]:
    """The URL of a database of this test alone."""
    with databases.fresh(databases.template("notifier", migrate)) as url:
        yield url


@pytest.fixture
async def bare(shared_url: str, valkey_url: str) -> AsyncIterator[World]:
    """Sandbox and stores without the service; no limit per chat, so that a conversation does not take seconds."""
    async with world(shared_url, valkey_url, Limit(1000)) as made:
        yield made


@pytest.fixture
async def w(bare: World) -> AsyncIterator[World]:
    """The service against the sandbox."""
    async with bare.service() as made:
        yield made
