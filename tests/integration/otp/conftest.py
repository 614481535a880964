"""Every test of this folder gets a Valkey, and ends with the proof that no key lives for ever."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.otp.store import open_valkey
from shared import valkey as valkey_module
from tests.integration.otp.world import World

LIVES_FOR_EVER = -1
"""Of PTTL; a key that ended since it was listed has -2."""


@pytest.fixture
async def valkey(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """A client of an empty database, as patient as a busy machine needs. Afterwards every key in it must have a time to
    live (otp.md rule 18)."""
    monkeypatch.setattr(valkey_module, "PATIENCE", 60.0)
    async with open_valkey(valkey_url) as client:
        yield client
        eternal = [key async for key in client.scan_iter(count=1000) if await client.pttl(key) == LIVES_FOR_EVER]
        assert not eternal


@pytest.fixture
def world(valkey: Redis) -> World:
    """otp, and everything around it in the test's hands."""
    return World(valkey)
