"""Accounts, keys, sign-in links, sessions, and the answers to repeated requests."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from services.registry.domain.commands import Answer, Once
from services.registry.domain.failures import KeyReused
from services.registry.domain.principal import Permission, Principal
from services.registry.store.database import Row, Rows
from shared import ids

_ANSWER = TypeAdapter(Answer)


class AccessRows:
    """Implements `domain.ports.Access`."""

    def __init__(self, rows: Rows) -> None:
        """In the transaction of `rows`."""
        self._rows = rows

    async def principals_of_keys(self, key_hashes: Collection[bytes]) -> Mapping[bytes, Principal]:
        """The accounts behind API keys that are not revoked, by the key's hash."""
        rows = await self._rows.all("principals_of_keys", list(key_hashes))
        return {row["key_hash"]: _principal_of(row) for row in rows}

    async def account(self, organisation_id: UUID, name: str) -> Principal | None:
        """The account with this name."""
        return _principal(await self._rows.one("account", organisation_id, name))

    async def open_account(self, principal: Principal, now: datetime) -> None:
        """A new account."""
        p = principal
        await self._rows.run(
            "open_account", p.account_id, p.organisation_id, p.name, p.unit_id, sorted(p.permissions), now
        )

    async def add_key(self, principal: Principal, key_hash: bytes, now: datetime) -> None:
        """An API key with all permissions of its account."""
        scopes = sorted(principal.permissions)
        await self._rows.run(
            "add_key", ids.new_id(), principal.organisation_id, principal.account_id, key_hash, scopes, now
        )

    async def add_sign_in(self, principal: Principal, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """A one-time sign-in link."""
        await self._rows.run(
            "add_sign_in", token_hash, principal.organisation_id, principal.account_id, now, expires_at
        )

    async def use_sign_in(self, token_hash: bytes, now: datetime) -> Principal | None:
        """Consume a sign-in link; None when it is unknown, used or too old."""
        return _principal(await self._rows.one("use_sign_in", token_hash, now))

    async def add_session(self, principal: Principal, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """A portal session."""
        await self._rows.run(
            "add_session", token_hash, principal.organisation_id, principal.account_id, now, expires_at
        )

    async def session(self, token_hash: bytes, now: datetime, expires_at: datetime) -> Principal | None:
        """The account of a session that is alive, which then lasts until `expires_at`."""
        return _principal(await self._rows.one("session", token_hash, now, expires_at))

    async def end_session(self, token_hash: bytes) -> None:
        """Sign out."""
        await self._rows.run("end_session", token_hash)

    async def claim(self, principal: Principal, once: Once, now: datetime) -> Answer | None:
        """Claim a key for this request: None, or the answer that the first request got. Waits for a request with the
        same key that is under way. Raises KeyReused."""
        owner = (principal.organisation_id, principal.account_id, once.key)
        if await self._rows.one("claim", *owner, once.request_hash, now) is not None:
            return None
        row = await self._rows.one("claimed", *owner)
        if row is None or row["request_hash"] != once.request_hash:
            raise KeyReused(field="Idempotency-Key")
        return _ANSWER.validate_python(row["response"])

    async def answer(self, principal: Principal, once: Once, answer: Answer) -> None:
        """Keep what the claimed request answers."""
        await self._rows.run("answer", principal.organisation_id, principal.account_id, once.key, asdict(answer))

    async def release(self, principal: Principal, once: Once) -> None:
        """Give a claimed key back: its request failed and may be repeated."""
        await self._rows.run("release", principal.organisation_id, principal.account_id, once.key)


def _principal(row: Row | None) -> Principal | None:
    return _principal_of(row) if row else None


def _principal_of(row: Row) -> Principal:
    permissions = frozenset(Permission(name) for name in row["permissions"])
    return Principal(row["id"], row["organisation_id"], row["name"], permissions, row["unit_id"])
