"""Every test of this folder gets a Valkey, and ends with the proof that no key lives for ever."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.otp.store import open_valkey
from tests.integration.otp.world import World


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of an empty database. Afterwards every key in it must have a time to live (otp.md rule 18)."""
    async with open_valkey(valkey_url) as client:
        yield client
        eternal = [key async for key in client.scan_iter(count=1000) if await client.pttl(key) < 0]
        assert not eternal


@pytest.fixture
def world(valkey: Redis) -> World:
    """otp, and everything around it in the test's hands."""
    return World(valkey)
