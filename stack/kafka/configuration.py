"""server.properties of one node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack.kafka.security import Security
from stack.ports import LOOPBACK

# Source of the numbers: measured on 4.3.1 with Java 17 (docs/decisions/0011).
_SETTINGS: dict[str, str | int] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    # As production should have it: a typo is an error, not a topic with the broker's own settings.
    "auto.create.topics.enable": "false",
    # The default of 3 s is waited for by every new and every emptied group.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.num.partitions": 8,
    "transaction.state.log.num.partitions": 8,
    # The default of 128 MiB does not fit into our heap: the broker would end after 8 s.
    "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
    "log.segment.bytes": 16 * 1024 * 1024,
    # How often it looks for something to compact: 15 s by default.
    "log.cleaner.backoff.ms": 1000,
}
_FAILOVER: dict[str, str | int] = {
    # Others take over quickly; also, a node that was killed is let in again only when its old session has ended.
    # A lone node keeps the default of 9 s: on a busy machine a short session would lock it out of its own cluster.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "controller.quorum.election.timeout.ms": 500,
    "controller.quorum.fetch.timeout.ms": 1000,
    "replica.lag.time.max.ms": 3000,
}


@dataclass(frozen=True)
class Address:
    """Where one node listens for clients and for controllers."""

    node: int
    port: int
    controller_port: int


def server_properties(
    node: Address, nodes: Sequence[Address], data: Path, security: Security, more: Mapping[str, str]
) -> str:
    """The file's text; `more` has the last word."""
    replicas = len(nodes)
    listener = security.listener
    clients = {listener: node.port, **security.doors}
    listeners = {**clients, "CONTROLLER": node.controller_port}
    protocols = {**dict.fromkeys(clients, listener), "CONTROLLER": security.controller}
    lines: dict[str, str | int] = {
        **_SETTINGS,
        "node.id": node.node,
        "controller.quorum.voters": ",".join(f"{n.node}@{LOOPBACK}:{n.controller_port}" for n in nodes),
        "log.dirs": str(data),
        "listeners": ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in listeners.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "inter.broker.listener.name": listener,
    }
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        lines[f"{topic}.replication.factor"] = replicas
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        lines[f"{topic}.min.isr"] = max(1, replicas - 1)
    if replicas > 1:
        lines.update(_FAILOVER)
        lines["min.insync.replicas"] = replicas - 1
    lines.update({**security.properties, **more})
    return "".join(f"{name}={value}\n" for name, value in lines.items())
