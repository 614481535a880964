"""The three servers as one: started together, stopped in reverse order."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from stack.child import Child, Waiting
from stack.embedded.binaries import find
from stack.embedded.postgres import Postgres
from stack.embedded.starting import drive, drive_async, together
from stack.embedded.tansu import Tansu
from stack.embedded.valkey import Valkey
from stack.folder import RunFolder

_STOP_SECONDS = 15.0
"""For each server, all being asked at the same time; a PostgreSQL that is killed leaves its processes behind for a
moment."""


@dataclass(frozen=True)
class Plan:
    """What to start: preferred ports (None: any), databases, whether commits reach the disk, whether with a broker."""

    postgres_port: int | None = None
    valkey_port: int | None = None
    kafka_port: int | None = None
    databases: tuple[str, ...] = ("registry", "notifier")
    durable: bool = True
    broker: bool = True


@dataclass(frozen=True)
class Servers:
    """Where the running servers are; `kafka` and `cluster_id` are empty when the plan asked for no broker."""

    postgres_admin: str
    database_urls: tuple[tuple[str, str], ...]
    valkey_url: str
    kafka: str
    cluster_id: str

    def database(self, name: str) -> str:
        """The URL of a database, as its owner."""
        return dict(self.database_urls)[name]

    def valkey(self, database: int) -> str:
        """The URL of one of Valkey's 16 numbered databases."""
        return f"{self.valkey_url}/{database}"


class Embedded:
    """The servers of a plan."""

    def __init__(self, folder: RunFolder, plan: Plan) -> None:
        """Finds the programs (raises `BinariesMissing`); starts nothing yet."""
        binaries = find()
        self.postgres = Postgres(binaries, folder, plan.postgres_port, plan.databases, durable=plan.durable)
        self.valkey = Valkey(binaries.valkey, folder, plan.valkey_port)
        self.tansu = Tansu(binaries.tansu, folder, plan.kafka_port) if plan.broker else None

    def starting(self) -> Waiting:
        """Starts all of them at the same time."""
        servers = (self.postgres, self.valkey, self.tansu)
        yield from together(server.starting() for server in servers if server)

    @property
    def children(self) -> list[Child]:
        """The processes that were started so far."""
        servers = (self.postgres, self.valkey, self.tansu)
        return [server.child for server in servers if server and server.child]

    def stop(self) -> None:
        """Ends all of them, bounded."""
        for child in reversed(self.children):
            child.ask_to_stop()
        for child in reversed(self.children):
            child.end(_STOP_SECONDS)

    @property
    def servers(self) -> Servers:
        """Where they are."""
        return Servers(
            postgres_admin=self.postgres.admin_url,
            database_urls=tuple(
                (database.name, self.postgres.url(database.name)) for database in self.postgres.databases
            ),
            valkey_url=self.valkey.url().removesuffix("/0"),
            kafka=self.tansu.bootstrap if self.tansu else "",
            cluster_id=self.tansu.cluster_id if self.tansu else "",
        )


@contextlib.contextmanager
def embedded_blocking(folder: RunFolder, plan: Plan) -> Iterator[Servers]:
    """As `embedded`, for code without an event loop."""
    stack = Embedded(folder, plan)
    try:
        drive(stack.starting())
        yield stack.servers
    finally:
        stack.stop()


@contextlib.asynccontextmanager
async def embedded(folder: RunFolder, plan: Plan) -> AsyncIterator[Servers]:
    """The servers of `plan`, running as long as the block does; raises `StartFailed` or `BinariesMissing`."""
    stack = Embedded(folder, plan)
    try:
        await drive_async(stack.starting())
        yield stack.servers
    finally:
        stack.stop()
