"""The connection pool, transactions, and what a lost database means."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import asyncpg

from shared.errors import Unavailable
from shared.fullness import Fullness

Connection = Any
"""asyncpg.Connection (the library is untyped)."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "database_unavailable"
    alarm = True


class DatabaseFull(DatabaseUnavailable):
    """The database cannot write: its disk is full or broken."""

    code = "database_full"


AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "got result for unknown protocol state": the server died in the middle of an answer
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    OSError,
    TimeoutError,
)
"""What passes by itself: the same work may be done again."""


UNWRITABLE = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError, asyncpg.InternalServerError)
"""The server's disk is full, over its quota, or broken: never the fault of what was to be written."""


@contextlib.contextmanager
def answering(fullness: Fullness | None = None) -> Iterator[None]:
    """Turns the driver's errors of a lost or restarting database into DatabaseUnavailable, of a full one into
    DatabaseFull, which `fullness` remembers."""
    try:
        yield
    except AWAY as error:
        raise DatabaseUnavailable from error
    except UNWRITABLE as error:
        if fullness is not None:
            fullness.refused()
        raise DatabaseFull from error


async def _as_it_is(_: Connection) -> None:
    """No session state is ever set, so a connection needs no reset, which would be a round trip for every use."""


class Database:
    """The pool."""

    def __init__(self, url: str, *, connections: int = 16) -> None:
        """Nothing is opened yet."""
        self._url = url
        self._connections = connections
        self._pool: Any = None
        self._fullness = Fullness()

    async def __aenter__(self) -> Self:
        with answering(self._fullness):
            self._pool = await asyncpg.create_pool(
                self._url, min_size=2, max_size=self._connections, command_timeout=15, timeout=10, reset=_as_it_is
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(*AWAY):
            await self._pool.close()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back by an exception.
        Raises DatabaseUnavailable."""
        with answering(self._fullness):
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection without a transaction. Raises DatabaseUnavailable."""
        with answering(self._fullness):
            async with self._pool.acquire() as connection:
                yield connection

    async def probe(self) -> None:
        """For /ready: raises DatabaseUnavailable, DatabaseFull when a write was refused lately."""
        if self._fullness.lately:
            raise DatabaseFull
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")
