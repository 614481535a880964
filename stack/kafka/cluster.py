"""One or three nodes of Apache Kafka on the loopback interface."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Literal

from stack import ports
from stack.child import Child, StartFailed, Waiting
from stack.embedded.starting import drive, together
from stack.folder import RunFolder
from stack.kafka.configuration import Address, server_properties
from stack.kafka.jars import Jars
from stack.kafka.node import STOP_SECONDS, KafkaNode
from stack.kafka.security import PLAIN, Security

_HEAP = {1: "128m", 3: "192m"}  # measured: enough for 60 MB at 17,000 records a second


class KafkaCluster:
    """Nodes that are broker and controller in one, with their data in the run folder; three keep three copies, of
    which two must be written."""

    def __init__(
        self,
        jars: Jars,
        folder: RunFolder,
        *,
        nodes: Literal[1, 3] = 1,
        security: Security | None = None,
        preferred: int | None = None,
        name: str = "kafka",
        properties: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
    ) -> None:
        """Prepares it on `preferred` (of the first node) or any free ports; `name` tells several clusters apart,
        `properties` are more lines of server.properties, `flags` more options of Java."""
        self._jars, self._run, self._count, self._name = jars, folder, nodes, name
        self._security, self._preferred = security, preferred
        self._properties, self._flags = properties or {}, flags
        self.cluster_id = ""
        self.nodes: tuple[KafkaNode, ...] = ()

    @property
    def bootstrap(self) -> str:
        """Where clients connect, all nodes."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def children(self) -> list[Child]:
        """The processes that were started so far."""
        return [node.child for node in self.nodes if node.child]

    def starting(self) -> Waiting:
        """Starts it, empty and with a new cluster id, and waits until every node knows all; raises `StartFailed`."""
        for last in (False, False, True):
            if not self.nodes:
                self.nodes = tuple(self._placed())
            try:
                yield from self._starting_empty()
            except StartFailed:
                self.kill()
                if last:
                    raise
                self.nodes, self._preferred = (), None  # perhaps somebody was faster on one of its ports
            else:
                return

    def starting_empty(self) -> Waiting:
        """Starts it again after `stop` or `kill` on the same ports, without its data and with a new cluster id."""
        yield from self._starting_empty()

    def start(self) -> None:
        """As `starting`, blocking."""
        drive(self.starting())

    def stop(self) -> None:
        """Ends all nodes, bounded."""
        for node in self.nodes:
            if node.child is not None and node.child.exit_code is None:
                node.thaw()
                node.child.ask_to_stop()
        for child in self.children:
            child.end(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL to all nodes."""
        for node in self.nodes:
            node.kill()

    def _starting_empty(self) -> Waiting:
        self.cluster_id = _cluster_id()
        security = self._security or PLAIN
        addresses = [node.address for node in self.nodes]
        for node in self.nodes:
            node.configure(server_properties(node.address, addresses, node.data, security, self._properties))
        yield from together(node.formatting(self.cluster_id, *security.format_arguments) for node in self.nodes)
        yield from together(node.starting(self._ready(node)) for node in self.nodes)

    def _ready(self, node: KafkaNode) -> partial[bool]:
        if self._security is not None:  # nobody answers us there without a password
            return partial(node.listens)
        return partial(node.knows, *(other.node for other in self.nodes))

    def _placed(self) -> Iterator[KafkaNode]:
        taken: set[int] = set()
        heap = _HEAP[self._count]

        def free(preferred: int | None = None) -> int:
            while (port := ports.pick(preferred)) in taken:
                continue
            taken.add(port)
            return port

        for number in range(1, self._count + 1):
            address = Address(number, free(self._preferred if number == 1 else None), free())
            yield KafkaNode(
                self._jars, self._run, f"{self._name}-{number}", address, (f"-Xms{heap}", f"-Xmx{heap}", *self._flags)
            )


def _cluster_id() -> str:
    """16 bytes in base64, as the storage tool wants it: its argument parser takes a leading `-` for an option."""
    while (made := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        continue
    return made
