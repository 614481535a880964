"""The schema."""

import asyncpg

from services.registry.migrations import migrate


async def test_migrating_twice_changes_nothing(postgres_url: str) -> None:
    await migrate(postgres_url)
    await migrate(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM appointment") == 0
    finally:
        await connection.close()
