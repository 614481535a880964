"""The typed boundary of asyncpg: pool, transactions, named statements, and its errors as failures."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from services.registry.domain.failures import DatabaseFull, DatabaseUnavailable, RefTaken, Unfit
from shared.errors import Failure
from shared.fullness import Fullness

Row = Mapping[str, Any]

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "got result for unknown protocol state": the server died in the middle of an answer
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    OSError,
    TimeoutError,
)
"""After these the same work may succeed: the server is away, full, or chose this transaction to end a deadlock."""

_UNWRITABLE = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError, asyncpg.InternalServerError)
"""The server's disk is full, over its quota, or broken: never the fault of what was to be written."""

_UNFIT = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)
"""A NUL in a text, a number or a time out of range, a key too long for its index: what was sent is at fault."""

_TAKEN: Mapping[str, Failure] = {"appointment_external_ref": RefTaken(field="external_ref")}


class Rows:
    """Statements in one transaction."""

    def __init__(self, connection: Any, queries: Mapping[str, str]) -> None:
        """`connection` is asyncpg's, inside a transaction."""
        self._connection = connection
        self._queries = queries

    async def all(self, name: str, *values: object) -> Sequence[Row]:
        """Every row of the statement."""
        rows: Sequence[Row] = await self._connection.fetch(self._queries[name], *values)
        return rows

    async def one(self, name: str, *values: object) -> Row | None:
        """The first row."""
        row: Row | None = await self._connection.fetchrow(self._queries[name], *values)
        return row

    async def value(self, name: str, *values: object) -> Any:
        """The first column of the first row."""
        return await self._connection.fetchval(self._queries[name], *values)

    async def run(self, name: str, *values: object) -> int:
        """Rows that the statement touched."""
        status: str = await self._connection.execute(self._queries[name], *values)
        last = status.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def many(self, name: str, values: Iterable[Sequence[object]]) -> None:
        """The statement once for each."""
        await self._connection.executemany(self._queries[name], values)

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert by COPY: some ten times faster than INSERT."""
        await self._connection.copy_records_to_table(table, columns=columns, records=rows)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A savepoint: when a unique index refuses, the transaction lives on. Raises Taken."""
        try:
            async with self._connection.transaction():
                yield
        except asyncpg.UniqueViolationError as error:
            raise Taken from error


class Taken(Exception):
    """A unique index refused."""


class Database:
    """A pool of connections."""

    def __init__(self, pool: Any, queries: Mapping[str, str]) -> None:
        """`pool` is asyncpg's, open."""
        self._pool = pool
        self._queries = queries
        self._fullness = Fullness()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Rows]:
        """Commit when the block is left, roll back when it raises. Raises DatabaseUnavailable, Unfit."""
        async with self._begin() as rows:
            yield rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Rows]:
        """Everything read in the block is as of one moment, and nothing is written. Raises DatabaseUnavailable."""
        async with self._begin(isolation="repeatable_read", readonly=True) as rows:
            yield rows

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[Rows]:
        """Statements that commit one by one: a single look-up costs one round trip instead of three. Raises
        DatabaseUnavailable."""
        async with self._connection() as connection:
            yield Rows(connection, self._queries)

    @asynccontextmanager
    async def session(self, lock: str, unlock: str) -> AsyncIterator[Rows]:
        """Statements that commit one by one, under a lock of the session; a session that may still hold it is closed.
        Raises DatabaseUnavailable."""
        async with self._connection() as connection:
            rows, locked = Rows(connection, self._queries), True
            try:
                await rows.value(lock)
                try:
                    yield rows
                finally:
                    locked = not await rows.value(unlock)
            finally:
                if locked:
                    connection.terminate()

    @asynccontextmanager
    async def _begin(self, **options: Any) -> AsyncIterator[Rows]:
        async with self._connection() as connection, connection.transaction(**options):
            yield Rows(connection, self._queries)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire(timeout=10) as connection:
                yield connection
        except asyncpg.UniqueViolationError as error:
            raise _TAKEN.get(str(error.constraint_name), DatabaseUnavailable()) from error
        except _UNFIT as error:
            raise Unfit from error
        except _AWAY as error:
            raise DatabaseUnavailable from error
        except _UNWRITABLE as error:
            self._fullness.refused()
            raise DatabaseFull from error

    async def probe(self) -> None:
        """Raise DatabaseUnavailable unless the database answers, DatabaseFull when it refused a write lately."""
        if self._fullness.lately:
            raise DatabaseFull
        async with self.glance() as rows:
            await rows.value("probe")


@asynccontextmanager
async def open_database(url: str, queries: Mapping[str, str], *, size: int, timeout: float) -> AsyncIterator[Database]:
    """A pool of at most `size` connections; no statement runs longer than `timeout` seconds."""
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=timeout,
        statement_cache_size=300,
        init=_prepare,
        reset=_leave_as_it_is,
        server_settings={"application_name": "boothline-registry", "timezone": "UTC"},
    )
    try:
        yield Database(pool, queries)
    finally:
        await pool.close()


async def _prepare(connection: Any) -> None:
    # Binary, since COPY takes nothing else: jsonb on the wire is a version byte and the text.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value, default=str),
        decoder=lambda data: orjson.loads(memoryview(data)[1:]),
    )


async def _leave_as_it_is(_: Any) -> None:
    """Nothing of ours outlives its transaction, so nothing is reset: asyncpg's own reset is a round trip each time."""
