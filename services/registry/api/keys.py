"""API keys and Idempotency-Keys of requests."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Header, Request

from services.registry.domain.commands import Once
from services.registry.domain.failures import BadIdempotencyKey, BadKey
from services.registry.domain.principal import Permission, Principal
from services.registry.service import Gate

_LONGEST = 200


class Keys:
    """Makes dependencies that name who is asking."""

    def __init__(self, gate: Gate) -> None:
        """`gate` knows the keys."""
        self._gate = gate

    def may(self, permission: Permission) -> Callable[[Request], Awaitable[Principal]]:
        """A dependency: the principal behind `Authorization: Bearer <key>`. Raises BadKey, NotPermitted."""

        async def principal(request: Request) -> Principal:
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not key.strip():
                raise BadKey
            found = await self._gate.by_key(key.strip())
            found.require(permission)
            return found

        return principal


async def once(
    request: Request, idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None
) -> Once | None:
    """The request's Idempotency-Key with a digest of the request. Raises BadIdempotencyKey."""
    if idempotency_key is None:
        return None
    if not 1 <= len(idempotency_key) <= _LONGEST or not idempotency_key.isascii() or not idempotency_key.isprintable():
        raise BadIdempotencyKey(field="Idempotency-Key")
    asked = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Once(idempotency_key, hashlib.sha256(asked).digest())
