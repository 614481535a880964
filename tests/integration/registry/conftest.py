"""A registry over a real database, with made-up keys."""

import asyncio
import itertools
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from nacl.public import PrivateKey

from services.registry.app import build_service, load_presets
from services.registry.domain.commands import Record
from services.registry.domain.names import Name
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.vault import Vault
from services.registry.migrations import migrate
from services.registry.service import Service
from services.registry.service.gate import RECORDER
from services.registry.settings import Settings
from services.registry.store.database import Database, Row, open_database
from services.registry.store.queries import load_queries
from shared.events import Event, Notice, decode
from shared.lifecycle import Wakeup
from shared.seal import Sealer
from stack.databases import Databases

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NOTICE = Notice(version="2026-11", language="hi", at=NOW - timedelta(minutes=1))
PHONE = "+915550000001"


def key() -> str:
    return b64encode(secrets.token_bytes(32)).decode()


@dataclass
class Registry:
    """What tests drive: use cases, and SQL to look behind them."""

    service: Service
    database: Database
    settings: Settings
    principal: Principal
    sealers: dict[str, Sealer]
    vault: Vault
    wakeup: Wakeup = field(default_factory=Wakeup)
    steps: list[tuple[str, str, float]] = field(default_factory=list)
    """Steps that ended: name, lane, seconds."""

    async def rows(self, sql: str, *values: object) -> list[Row]:
        async with self.database._pool.acquire() as connection:
            return list(await connection.fetch(sql, *values))

    async def run(self, sql: str, *values: object) -> None:
        async with self.database._pool.acquire() as connection:
            await connection.execute(sql, *values)

    async def events(self) -> list[Event]:
        found = await self.rows("SELECT value, headers FROM outbox ORDER BY id")
        return [decode(row["value"], [(k, v.encode()) for k, v in row["headers"]]) for row in found]

    async def add_booths(self, count: int = 3) -> None:
        """State `mp`, district `mp-bhopal`, constituency `ac-1`, booths `1-1` .. `1-<count>`."""
        async with self.database._pool.acquire() as connection, connection.transaction():
            above: list[UUID] = []
            units = [("state", "mp", None), ("district", "mp-bhopal", None), ("assembly", "ac-1", "1")]
            for level, code, number in units:
                above = [await self._add(connection, level, code, number, above), *above]
            for booth in range(1, count + 1):
                await self._add(connection, "booth", f"1-{booth}", str(booth), above)

    async def _add(self, connection: Any, level: str, code: str, number: str | None, above: list[UUID]) -> UUID:
        organisation = self.settings.organisation_id
        unit: UUID = await connection.fetchval(
            "INSERT INTO unit (id, organisation_id, level, code, number, position, name_hi, name_en, created_at)"
            " VALUES (gen_random_uuid(), $1, $2, $3, $4, 0, 'नाम', 'Name', $5) RETURNING id",
            organisation, level, code, number, NOW,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO placement (organisation_id, unit_id, parent_id, valid_from) VALUES ($1, $2, $3, $4)",
            organisation, unit, above[0] if above else None, NOW,
        )  # fmt: skip
        await connection.executemany(
            "INSERT INTO lineage VALUES ($1, $2, $3)", [(unit, up, far) for far, up in enumerate([unit, *above])]
        )
        return unit


def command(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "unit": "1-1",
        "post": "president",
        "name": Name("सुनीता परमार", "Sunita Parmar"),
        "phone": PHONE,
        "notice": NOTICE,
    }
    return Record(**values | changes)


ADVISORY = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
"""Condition on pg_locks: those of a server's other databases are in there, too."""


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait for the condition, with a bound."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 # other processes set no event here
            await asyncio.sleep(0.01)


async def somebody_waits(registry: Registry) -> None:
    """Return once a transaction waits for an advisory lock."""
    await until(lambda: registry.rows(f"SELECT FROM pg_locks WHERE {ADVISORY} AND NOT granted"))


async def everything_shows(registry: Registry) -> None:
    """Return once readers of changes see all that is committed: any earlier writer on the server hides it from them
    while it lasts, PostgreSQL's own ANALYZE too."""
    hidden = "SELECT count(*) = 0 AS none FROM change WHERE tx >= pg_snapshot_xmin(pg_current_snapshot())"

    async def none_is_hidden() -> bool:
        return bool((await registry.rows(hidden))[0]["none"])

    await until(none_is_hidden)


@pytest.fixture(scope="session")
def registry_url(databases: Databases) -> Iterator[str]:
    """One database for all tests of this folder: emptying it costs a tenth of cloning it."""
    template = databases.template("registry", lambda url: asyncio.run(migrate(url)))
    with databases.fresh(template) as url:
        yield url


@pytest.fixture
def seal_keys() -> dict[str, PrivateKey]:
    return {service: PrivateKey.generate() for service in ("registry", "otp", "notifier")}


@pytest.fixture
def peers(seal_keys: dict[str, PrivateKey]) -> dict[str, str]:
    return {f"{service}/1": b64encode(bytes(pair.public_key)).decode() for service, pair in seal_keys.items()}


@pytest.fixture
def variables(registry_url: str, seal_keys: dict[str, PrivateKey], peers: dict[str, str]) -> dict[str, str]:
    """The environment of a registry process, but for its port and its broker."""
    return {
        "REGISTRY_SANDBOX": "true",
        "REGISTRY_DATABASE_URL": registry_url,
        "REGISTRY_SEAL_KEY": f"1:{b64encode(bytes(seal_keys['registry'])).decode()}",
        "REGISTRY_SEAL_PEERS": json.dumps(peers),
        "REGISTRY_FINGERPRINT_KEYS": json.dumps({"1": key()}),
        "REGISTRY_PHONE_KEYS": json.dumps({"1": key()}),
        "REGISTRY_TEST_NUMBER_PREFIXES": json.dumps(["+91555"]),
        "REGISTRY_PUBLIC_URL": "http://127.0.0.1:8100",
        "REGISTRY_KAFKA": "127.0.0.1:1",
        "REGISTRY_KAFKA_EPHEMERAL": "true",
    }


@pytest.fixture
def settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
async def registry(
    settings: Settings, seal_keys: dict[str, PrivateKey], peers: dict[str, str]
) -> AsyncIterator[Registry]:
    """An organisation after the preset in-mp-2014 with three booths."""
    async with open_database(settings.database_url.get_secret_value(), load_queries(), size=10, timeout=30) as database:
        async with database._pool.acquire() as connection:
            await connection.execute("TRUNCATE organisation, cluster CASCADE")
        wakeup = Wakeup()
        ticks = itertools.count()
        steps: list[tuple[str, str, float]] = []

        def took(step: str, lane: str, began: datetime, ended: datetime) -> None:
            steps.append((step, lane, (ended - began).total_seconds()))

        later = lambda: NOW + timedelta(milliseconds=next(ticks))  # noqa: E731
        service = build_service(settings, database, wakeup.wake, later, took)
        await service.gate.install(settings.organisation_id, load_presets()["in-mp-2014"], NOW)
        api_key = await service.gate.issue_key(settings.organisation_id, RECORDER, NOW)
        principal = await service.gate.by_key(api_key)
        assert principal.permissions == frozenset(Permission)
        sealers = {
            name: Sealer(name, {"1": b64encode(bytes(pair)).decode()}, peers) for name, pair in seal_keys.items()
        }
        vault = Vault(settings.phone_keys_plain())
        made = Registry(service, database, settings, principal, sealers, vault, wakeup, steps)
        await made.add_booths()
        yield made
