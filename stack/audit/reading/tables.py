"""What the registry and the notifier keep in PostgreSQL, as of one moment each."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from stack.audit.notebook import Notebook
from stack.audit.story import Asked, Held, Letter, Row, Shown, Told

_AT_ONCE = 5_000

HELD = """
SELECT a.id::text, a.state, a.cycle, a.version, a.mode, a.verified_via,
  coalesce(t.verified, 0), coalesce(t.announced, 0)
FROM appointment a LEFT JOIN (
  SELECT appointment_id, count(*) FILTER (WHERE kind = 'verified' AND NOT details ? 'too_late') AS verified,
    count(*) FILTER (WHERE kind = 'announced') AS announced
  FROM timeline GROUP BY appointment_id
) t ON t.appointment_id = a.id
"""
ASKED = "SELECT appointment_id::text, id::text, cycle, state, version FROM challenge"
SHOWN = "SELECT coalesce(appointment_id, message_id)::text, message_id::text, state, version FROM delivery"
LETTERS = """
SELECT coalesce(appointment_id, id)::text, id::text, template, attempt, state, version, tries, challenge_id::text,
  channel, reason, resent
FROM message
"""
TOLD = "SELECT appointment_id::text, challenge_id::text, state, version FROM invitation"

REGISTRY_MET = "SELECT cluster_id FROM cluster"
NOTIFIER_MET = "SELECT id FROM cluster"
# Partial indexes answer these at any size; what was given up on has none, so only the audit asks for it.
REGISTRY_WAITING = """SELECT count(*) AS "registry outbox" FROM outbox WHERE published_at IS NULL"""
REGISTRY_GIVEN_UP = """SELECT count(*) AS "registry outbox, refused" FROM outbox WHERE refused IS NOT NULL"""
NOTIFIER_WAITING = """
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS "notifier outbox",
  (SELECT count(*) FROM message WHERE state = 'queued' AND lane IN ('urgent', 'bulk')) AS "notifier queue",
  (SELECT count(*) FROM message WHERE state = 'sending') AS "notifier sending",
  (SELECT count(*) FROM telegram_update WHERE state = 'received') AS "telegram updates",
  (SELECT count(*) FROM inbound_sms WHERE state = 'received') AS "inbound sms"
"""
NOTIFIER_GIVEN_UP = """
SELECT (SELECT count(*) FROM telegram_update WHERE state = 'dead') AS "telegram updates, given up",
  (SELECT count(*) FROM inbound_sms WHERE state = 'dead') AS "inbound sms, given up"
"""


async def read_registry(url: str, notebook: Notebook) -> Mapping[str, int]:
    """Appointments, what was heard of them, deliveries; returns what waits."""
    async with _snapshot(url) as db:
        await _copy(db, notebook, Held, HELD)
        await _copy(db, notebook, Asked, ASKED)
        await _copy(db, notebook, Shown, SHOWN)
        return {**await db.fetchrow(REGISTRY_WAITING), **await db.fetchrow(REGISTRY_GIVEN_UP)}


async def read_notifier(url: str, notebook: Notebook) -> Mapping[str, int]:
    """The ledger and what it knows of challenges; returns what waits."""
    async with _snapshot(url) as db:
        await _copy(db, notebook, Letter, LETTERS)
        await _copy(db, notebook, Told, TOLD)
        return {**await db.fetchrow(NOTIFIER_WAITING), **await db.fetchrow(NOTIFIER_GIVEN_UP)}


async def met(registry: str, notifier: str) -> dict[str, str | None]:
    """The broker that each has seen last."""
    found: dict[str, str | None] = {}
    for name, url, statement in (("registry", registry, REGISTRY_MET), ("notifier", notifier, NOTIFIER_MET)):
        async with _snapshot(url) as db:
            found[name] = await db.fetchval(statement)
    return found


async def waiting(registry: str, notifier: str) -> dict[str, int]:
    """What waits in the tables of both."""
    found: dict[str, int] = {}
    for url, statement in ((registry, REGISTRY_WAITING), (notifier, NOTIFIER_WAITING)):
        async with _snapshot(url) as db:
            found |= {**await db.fetchrow(statement)}
    return found


async def _copy(db: Any, notebook: Notebook, kind: Callable[..., Row], statement: str) -> None:
    """All rows of a statement, page by page."""
    cursor = await db.cursor(statement)
    while rows := await cursor.fetch(_AT_ONCE):
        notebook.add(kind, [kind(*row) for row in rows])  # type: ignore[arg-type] # a class is its own constructor


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Any]:
    db = await asyncpg.connect(url, timeout=20)
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            yield db
    finally:
        await db.close()
