"""Who comes in: API keys, one-time sign-in links, sessions. Only hashes are kept."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.registry.domain.failures import BadKey, BadSignIn
from services.registry.domain.ports import Store
from services.registry.domain.preset import Preset
from services.registry.domain.principal import Permission, Principal
from shared import ids
from shared.batching import Batcher

SIGN_IN_FOR = timedelta(minutes=15)
"""Life of a sign-in link (issue: no passwords)."""
SESSION_IDLE = timedelta(minutes=30)
"""A session ends this long after its last request (portal.md P13)."""

ADMINISTRATOR = "Administrator"
RECORDER = "Recorder"


def digest(token: str) -> bytes:
    """How tokens and keys are kept: they have 192 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).digest()


class Gate:
    """Opens for keys and sessions."""

    def __init__(self, store: Store) -> None:
        """Nothing is opened."""
        self._store = store
        self._keys = Batcher(self._principals, limit=100)

    async def by_key(self, key: str) -> Principal:
        """Who an API key is. Requests that come together look together, none of them before it came: a revoked key is
        refused at once. Raises BadKey."""
        principal = await self._keys(digest(key))
        if principal is None:
            raise BadKey
        return principal

    async def _principals(self, hashes: Sequence[bytes]) -> Sequence[Principal | None]:
        async with self._store.glance() as work:
            found = await work.access.principals_of_keys(set(hashes))
        return [found.get(each) for each in hashes]

    async def install(self, organisation_id: UUID, preset: Preset, now: datetime) -> None:
        """Create the organisation with its catalogue, an administrator and a recorder, where they are missing."""
        async with self._store.transaction() as work:
            await work.units.install(organisation_id, preset, now)
            for name in (ADMINISTRATOR, RECORDER):
                if await work.access.account(organisation_id, name) is None:
                    person = Principal(ids.new_id(), organisation_id, name, frozenset(Permission))
                    await work.access.open_account(person, now)

    async def issue_key(self, organisation_id: UUID, account: str, now: datetime) -> str:
        """A new API key of an account; shown once. Raises LookupError: no such account."""
        key = f"bl_{secrets.token_urlsafe(24)}"
        async with self._store.transaction() as work:
            principal = await work.access.account(organisation_id, account)
            if principal is None:
                raise LookupError(f"no account {account}")
            await work.access.add_key(principal, digest(key), now)
        return key

    async def issue_sign_in(self, organisation_id: UUID, account: str, now: datetime) -> str:
        """The token of a one-time link to the portal. Raises LookupError: no such account."""
        token = secrets.token_urlsafe(24)
        async with self._store.transaction() as work:
            principal = await work.access.account(organisation_id, account)
            if principal is None:
                raise LookupError(f"no account {account}")
            await work.access.add_sign_in(principal, digest(token), now, now + SIGN_IN_FOR)
        return token

    async def sign_in(self, token: str, now: datetime) -> str:
        """Consume a sign-in token; the token of a new session. Raises BadSignIn."""
        session = secrets.token_urlsafe(24)
        async with self._store.transaction() as work:
            principal = await work.access.use_sign_in(digest(token), now)
            if principal is None:
                raise BadSignIn
            await work.access.add_session(principal, digest(session), now, now + SESSION_IDLE)
        return session

    async def principal(self, token: str, now: datetime) -> Principal | None:
        """Who is signed in; each request prolongs the session. None: nobody, or it ended."""
        async with self._store.glance() as work:
            return await work.access.session(digest(token), now, now + SESSION_IDLE)

    async def sign_out(self, token: str) -> None:
        """End a session."""
        async with self._store.transaction() as work:
            await work.access.end_session(digest(token))
