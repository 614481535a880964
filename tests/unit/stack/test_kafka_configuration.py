"""server.properties of a node."""

from pathlib import Path

import pytest

from stack.kafka import Security
from stack.kafka.configuration import Address, server_properties
from stack.kafka.security import PLAIN

NODES = [Address(1, 21_001, 22_001), Address(2, 21_002, 22_002), Address(3, 21_003, 22_003)]


def lines(nodes: list[Address], security: Security = PLAIN, more: dict[str, str] | None = None) -> dict[str, str]:
    text = server_properties(nodes[0], nodes, Path("/data"), security, more or {})
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize(("count", "copies", "written"), [(1, "1", None), (3, "3", "2")])
def test_copies_follow_the_number_of_nodes(count: int, copies: str, written: str | None) -> None:
    found = lines(NODES[:count])
    assert found["offsets.topic.replication.factor"] == found["transaction.state.log.replication.factor"] == copies
    assert found.get("min.insync.replicas") == written
    assert found["transaction.state.log.min.isr"] == (written or "1")


def test_a_node_listens_on_loopback_only_and_makes_no_topics_by_itself() -> None:
    found = lines(NODES)
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:21001,CONTROLLER://127.0.0.1:22001"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:22001,2@127.0.0.1:22002,3@127.0.0.1:22003"
    assert found["auto.create.topics.enable"] == "false"


def test_security_changes_the_listeners_and_adds_its_lines() -> None:
    found = lines(NODES, Security(properties={"sasl.enabled.mechanisms": "SCRAM-SHA-512"}))
    assert found["listeners"].startswith("SASL_SSL://")
    assert found["listener.security.protocol.map"] == "SASL_SSL:SASL_SSL,CONTROLLER:SSL"
    assert found["inter.broker.listener.name"] == "SASL_SSL"
    assert found["sasl.enabled.mechanisms"] == "SCRAM-SHA-512"


def test_a_caller_s_own_line_has_the_last_word() -> None:
    assert lines(NODES, more={"node.id": "7"})["node.id"] == "7"
