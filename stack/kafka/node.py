"""One node of Apache Kafka: broker and controller in one process that can be killed, frozen and started again."""

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from stack import ports
from stack.child import Child, Command, StartFailed, Waiting
from stack.embedded.starting import drive, until
from stack.folder import RunFolder
from stack.kafka import metadata
from stack.kafka.configuration import Address
from stack.kafka.jars import Jars

_STORAGE_TOOL = "kafka.tools.StorageTool"
_BROKER = "kafka.Kafka"
# A killed node waits for the end of its old session, a busy machine makes Java slow: 1.5 s to 13 s were measured.
_READY_SECONDS = 90.0
_FORMAT_SECONDS = 60.0
STOP_SECONDS = 20.0
"""A node under load needs 1 to 5 s to give its partitions away."""
_LOG = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %m (%c{1})%n%throwable{3}
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
"""


class KafkaNode:
    """One process with its data in the run folder. `starting` may be driven again after `kill` or `stop`: the node
    comes back on the same port with the same data."""

    def __init__(self, jars: Jars, folder: RunFolder, name: str, address: Address, flags: Sequence[str]) -> None:
        """Nothing is started yet; `flags` are the options of the broker's Java."""
        self._jars, self._run, self._flags = jars, folder, flags
        self.name, self.address = name, address
        self.home = folder.path / name
        self.child: Child | None = None

    @property
    def node(self) -> int:
        """The number by which the cluster knows it."""
        return self.address.node

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"{ports.LOOPBACK}:{self.address.port}"

    @property
    def data(self) -> Path:
        """What survives a kill."""
        return self.home / "data"

    def configure(self, properties: str) -> None:
        """Writes the configuration for the next start; only this user can read it, since it may hold passwords."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        for name, text in (("server.properties", properties), ("log.properties", _LOG)):
            path = self.home / name
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")

    def formatting(self, cluster_id: str, *arguments: str) -> Waiting:
        """Makes an empty data folder of the cluster; raises `StartFailed`."""
        shutil.rmtree(self.data, ignore_errors=True)
        tool = [_STORAGE_TOOL, "format", "-t", cluster_id, "-c", str(self.home / "server.properties"), *arguments]
        yield from Child(self._command(f"{self.name}-format", *tool), self._run).finishing(_FORMAT_SECONDS)

    def starting(self, ready: Callable[[], bool] | None = None) -> Waiting:
        """Starts it and waits until it is `ready` (None: until it listens to clients); raises `StartFailed`."""
        command = self._command(self.name, *self._flags, _BROKER, str(self.home / "server.properties"))
        child = self.child = Child(command, self._run)
        yield from until(ready or self.listens, child, seconds=_READY_SECONDS)
        if child.exit_code is not None:
            raise StartFailed(child.story(f"did not start (exit code {child.exit_code})"))

    def start(self) -> None:
        """As `starting`, blocking."""
        drive(self.starting())

    def knows(self, *nodes: int) -> bool:
        """Whether it serves clients and knows these brokers."""
        found = metadata.seen(self.address.port)
        return found is not None and found.brokers >= {*nodes}

    def listens(self) -> bool:
        """Whether it serves clients; its port opens only then."""
        return self.child is not None and ports.listens(self.child.pid, self.address.port)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.child is not None and self.child.exit_code is None:
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.end()

    def stop(self) -> None:
        """Lets it give its partitions away and waits until it is gone. Thaws it first."""
        if self.child is not None and self.child.exit_code is None:
            self.thaw()
            self.child.end(STOP_SECONDS)

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        assert self.child is not None
        self.child.freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.child is not None
        self.child.thaw()

    def _command(self, name: str, *arguments: str) -> Command:
        # Serial collector and first compiler only: 150 MiB and 3 s less than the defaults. IPv4 only: `ports.listens`.
        options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable"]
        options += ["-Djava.net.preferIPv4Stack=true"]
        options += [f"-Dlog4j2.configurationFile={self.home / 'log.properties'}"]
        if (archive := self._jars.archive).exists():
            options.append(f"-XX:SharedArchiveFile={archive}")
        return Command(
            name,
            [self._jars.java, *options, "-cp", self._jars.class_path, *arguments],
            self.home,
            {"LC_ALL": "C.UTF-8"},
        )
