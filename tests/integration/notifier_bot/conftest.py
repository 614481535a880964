"""Worlds for tests of the bot."""

from collections.abc import AsyncIterator, Iterator

import pytest

from services.notifier.migrations import migrate
from services.notifier.store.pacing import Limit
from stack.databases import Databases
from tests.integration.notifier_bot.world import World, world


@pytest.fixture
def notifier_url(databases: Databases) -> Iterator[str]:
    """The URL of a database with the notifier's schema and nothing in it."""
    with databases.fresh(databases.template("notifier", migrate)) as url:
        yield url


@pytest.fixture
async def bare(notifier_url: str, valkey_url: str) -> AsyncIterator[World]:
    """Sandbox and stores without the service; no limit per chat, so that a conversation does not take seconds."""
    async with world(notifier_url, valkey_url, Limit(1000)) as made:
        yield made


@pytest.fixture
async def w(bare: World) -> AsyncIterator[World]:
    """The service against the sandbox."""
    async with bare.service() as made:
        yield made
