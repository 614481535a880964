"""Brokers that can be killed and frozen, listeners in processes of their own."""

import asyncio
import secrets
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from shared.bus import ALL_TOPICS, Connection, Producer, ensure_topics
from stack.embedded import Binaries, Tansu
from stack.embedded.starting import drive_async
from stack.folder import RunFolder
from stack.kafka import Jars, KafkaCluster
from tests.contract.bus.scenery import until


class MortalBroker(Protocol):
    """A broker that comes back on the same port, empty and with another cluster id."""

    @property
    def connection(self) -> Connection:
        """How to reach it; impatient, so that tests see the end of waiting."""

    async def start(self) -> None:
        """Start it with all topics."""

    def kill(self) -> None:
        """End it at once."""

    def freeze(self) -> None:
        """Nothing of it runs when this returns."""

    def thaw(self) -> None:
        """It goes on."""


class MortalTansu:
    """The embedded one."""

    def __init__(self, binaries: Binaries, run_folder: RunFolder) -> None:
        """Not started."""
        self._binaries, self._folder = binaries, run_folder
        self._port: int | None = None
        self._tansu: Tansu | None = None

    async def start(self) -> None:
        """Start it with all topics."""
        tansu = self._tansu = Tansu(
            self._binaries.tansu, self._folder, self._port, label=f"mortal-{secrets.token_hex(4)}"
        )
        await drive_async(tansu.starting())
        assert self._port in {None, tansu.port}
        self._port = tansu.port
        await ensure_topics(self.connection)

    @property
    def connection(self) -> Connection:
        """How to reach it."""
        return Connection(f"127.0.0.1:{self._port}", "tests", ephemeral=True, delivery_timeout=2.0)

    def kill(self) -> None:
        """End it at once."""
        if self._tansu is not None and self._tansu.child is not None:
            self._tansu.child.end()

    def freeze(self) -> None:
        """Nothing of it runs when this returns."""
        assert self._tansu is not None
        assert self._tansu.child is not None
        self._tansu.child.freeze()

    def thaw(self) -> None:
        """It goes on."""
        assert self._tansu is not None
        assert self._tansu.child is not None
        self._tansu.child.thaw()


class MortalApache:
    """Apache Kafka."""

    def __init__(self, jars: Jars, run_folder: RunFolder) -> None:
        """Not started."""
        self._kafka = KafkaCluster(jars, run_folder, name=f"mortal-{secrets.token_hex(4)}")

    async def start(self) -> None:
        """Start it with all topics."""
        await drive_async(self._kafka.starting_empty() if self._kafka.nodes else self._kafka.starting())
        await ensure_topics(self.connection)

    @property
    def connection(self) -> Connection:
        """How to reach it."""
        return Connection(self._kafka.bootstrap, "tests", delivery_timeout=2.0)

    def kill(self) -> None:
        """End it at once."""
        self._kafka.kill()

    def freeze(self) -> None:
        """Nothing of it runs when this returns."""
        self._kafka.nodes[0].freeze()

    def thaw(self) -> None:
        """It goes on."""
        self._kafka.nodes[0].thaw()


@pytest.fixture
async def mortal(
    request: pytest.FixtureRequest, binaries: Binaries, run_folder: RunFolder, kafka_is_embedded: bool
) -> AsyncIterator[MortalBroker]:
    """A started one."""
    broker: MortalBroker
    if kafka_is_embedded:
        broker = MortalTansu(binaries, run_folder)
    else:
        broker = MortalApache(request.getfixturevalue("apache_jars"), run_folder)
    await broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def bare(own_kafka: str, kafka_is_embedded: bool) -> Connection:
    """A broker of this test alone, without topics."""
    return Connection(own_kafka, "tests", ephemeral=kafka_is_embedded, delivery_timeout=30.0)


@pytest.fixture
async def connection(bare: Connection) -> Connection:
    """A broker of this test alone, with all topics."""
    await ensure_topics(bare, ALL_TOPICS)
    return bare


@pytest.fixture
async def producer(connection: Connection) -> AsyncIterator[Producer]:
    """A producer."""
    async with Producer(connection) as made:
        yield made


class Listeners:
    """Consumers in processes of their own (listener.py): each writes a line per effect."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        """None yet."""
        self._connection, self._folder = connection, folder
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self, signalled: signal.Signals | None = None, after: int = 100) -> asyncio.subprocess.Process:
        """One more member of the group; it has joined when this returns. It signals itself `after` so many effects."""
        number = len(self._running)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.bus.listener",
            self._connection.bootstrap, str(self._connection.ephemeral),
            "group", str(self._folder / f"effects-{number}"),
            *((signalled.name, str(after)) if signalled else ()),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._running.append(process)
        await self.joins(process)
        return process

    async def joins(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it gets partitions, once more than was waited for before."""
        assert process.stdout is not None
        async with asyncio.timeout(120):  # a member that was killed is waited for as long as its session lasts (30 s)
            assert await process.stdout.readline() == b"joined\n"

    def effects(self) -> Counter[str]:
        """How often each event had its effect, over all processes."""
        return Counter(line for path in self._folder.glob("effects-*") for line in path.read_text().splitlines())

    async def have(self, count: int, seconds: float = 120.0) -> None:
        """Wait until so many events have had their effect at least once."""
        await until(lambda: len(self.effects()) >= count, seconds)

    async def end(self) -> None:
        """Kill what is left."""
        for process in self._running:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def listeners(connection: Connection, tmp_path: Path) -> AsyncIterator[Listeners]:
    """None yet."""
    made = Listeners(connection, tmp_path)
    yield made
    await made.end()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is entered is left at the end of the test."""
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
def received_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all answers from brokers."""
    from aiokafka.conn import AIOKafkaConnection  # noqa: PLC0415 # only this fixture looks under the bus

    sizes: list[int] = []
    real = AIOKafkaConnection._handle_frame

    def counting(self: object, answer: bytes) -> object:
        sizes.append(len(answer))
        return real(self, answer)

    monkeypatch.setattr(AIOKafkaConnection, "_handle_frame", counting)
    return sizes
