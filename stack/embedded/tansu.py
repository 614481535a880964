"""Tansu, a broker that speaks Kafka's protocol and keeps its topics in memory only."""

import secrets
import struct
from pathlib import Path

from stack import ports
from stack.child import Child, Command, StartFailed, Waiting
from stack.embedded.starting import READY_SECONDS, until
from stack.folder import RunFolder

# Metadata version 2 about no topic: the answer names the cluster, so another broker on this port is not taken for ours.
_METADATA = struct.pack(">hhih", 3, 2, 1, 1) + b"b" + struct.pack(">i", 0)
_QUESTION = struct.pack(">i", len(_METADATA)) + _METADATA


class Tansu:
    """One broker; each start is a new cluster, and consumers see that by its cluster id."""

    name = "tansu"

    def __init__(
        self,
        program: Path,
        folder: RunFolder,
        preferred: int | None,
        *,
        label: str = "tansu",
        advertised: str | None = None,
    ) -> None:
        """Prepares it on `preferred` or, when that is taken, on any free port; `label` tells several brokers apart;
        `advertised`: the host:port that clients are sent to, where that is another one."""
        self._program, self._run, self._preferred, self.name = program, folder, preferred, label
        self._advertised = advertised
        self.cluster_id = _cluster_id()
        self.port = 0
        self.child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    def starting(self) -> Waiting:
        """Starts it and waits until it answers; raises `StartFailed`."""
        (self._run.path / self.name).mkdir(mode=0o700)
        for attempt in range(3):
            self.port = ports.pick(self._preferred if attempt == 0 else None)
            child = self._started()
            yield from until(self._answers, child, seconds=READY_SECONDS)
            if child.exit_code is None:
                return
        raise StartFailed(child.story("did not start"))

    def starting_empty(self) -> Waiting:
        """Starts it again after it was killed, on its port, as another cluster without any topic; raises
        `StartFailed`."""
        self.cluster_id = _cluster_id()
        child = self._started()
        yield from until(self._answers, child, seconds=READY_SECONDS)
        if child.exit_code is not None:
            raise StartFailed(child.story("did not start again"))

    def _started(self) -> Child:
        folder, address = self._run.path / self.name, f"tcp://{self.bootstrap}"
        argv: list[str | Path] = [self._program, "broker", "--cluster-id", self.cluster_id, "--silent"]
        argv += ["--listener-url", address, "--advertised-listener-url"]
        argv += [f"tcp://{self._advertised}" if self._advertised else address]
        argv += ["--storage-engine", "memory://tansu/"]
        self.child = Child(Command(self.name, argv, folder, {"RUST_LOG": "error"}), self._run)
        return self.child

    def _answers(self) -> bool:
        return ports.answers(self.port, _QUESTION, self.cluster_id.encode())


def _cluster_id() -> str:
    return f"boothline-{secrets.token_hex(8)}"
