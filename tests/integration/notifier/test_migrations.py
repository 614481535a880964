"""The schema: complete, and applied twice without harm."""

import asyncpg

from services.notifier.migrations import migrate


def test_migrating_twice_is_the_same_as_once(postgres_url: str) -> None:
    migrate(postgres_url)
    migrate(postgres_url)


async def test_every_table_of_the_card_exists(pool: asyncpg.Pool) -> None:
    tables = {row["tablename"] for row in await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname='public'")}
    assert tables >= {
        "message", "receipt", "invitation", "telegram_account", "telegram_update", "inbound_sms", "dialog",
        "suppression", "outbox", "cluster", "erased",
    }  # fmt: skip
