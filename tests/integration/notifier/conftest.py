"""The notifier's database, migrated once and cloned per test."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from services.notifier.migrations import migrate
from stack.databases import Databases


@pytest.fixture
def notifier_url(databases: Databases) -> Iterator[str]:
    """The URL of a database with the notifier's schema and nothing in it."""
    with databases.fresh(databases.template("notifier", migrate)) as url:
        yield url


@pytest.fixture
async def pool(notifier_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to it."""
    async with asyncpg.create_pool(notifier_url, min_size=1, max_size=8) as made:
        yield made
