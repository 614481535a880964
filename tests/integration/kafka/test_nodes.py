"""Nodes that are killed, frozen, started again with and without their data, and run by themselves."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.bus import Connection, cluster_id, ensure_topics
from shared.events import Topic
from stack import ports
from stack.embedded.starting import drive, drive_async, until
from stack.folder import RunFolder
from stack.kafka import Jars, KafkaCluster
from stack.kafka.metadata import seen

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def kafka(apache_jars: Jars, run_folder: RunFolder) -> Iterator[KafkaCluster]:
    """A node of this test alone."""
    made = KafkaCluster(apache_jars, run_folder, name="lone")
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def test_a_killed_node_comes_back_with_its_data_and_an_emptied_one_as_another_cluster(
    kafka: KafkaCluster,
) -> None:
    connection = Connection(kafka.bootstrap, "tests")
    await ensure_topics(connection, [Topic("kept", "registry", partitions=1)])
    (node,), before = kafka.nodes, kafka.cluster_id
    assert await cluster_id(connection) == before
    node.kill()
    assert not node.listens()
    await drive_async(node.starting())
    async with connection.reader() as reader:
        assert "kept" in await reader.topics()
    kafka.kill()
    await drive_async(kafka.starting_empty())
    assert kafka.bootstrap == connection.bootstrap
    assert await cluster_id(connection) == kafka.cluster_id != before
    async with connection.reader() as reader:
        assert "kept" not in await reader.topics()


def test_a_frozen_node_answers_nobody_until_it_is_thawed(kafka: KafkaCluster) -> None:
    (node,) = kafka.nodes
    node.freeze()
    assert seen(node.address.port) is None
    node.thaw()
    assert node.child is not None
    drive(until(lambda: node.knows(1), node.child, seconds=60))  # frozen for 9 s it would have to sign on again
    answer = seen(node.address.port, seconds=60)
    assert answer is not None
    assert (answer.cluster_id, answer.brokers) == (kafka.cluster_id, frozenset({1}))
    node.freeze()
    kafka.stop()
    assert not node.listens()


def test_the_command_runs_a_node_until_it_is_interrupted(apache_jars: Jars, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "stack", "kafka"],
        cwd=CHECKOUT,
        env={"PATH": os.defpath, "BOOTHLINE_STATE": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"KAFKA=127\.0\.0\.1:(\d+) make demo", line) for line in process.stdout)))
        port = int(found[1])
        assert seen(port, seconds=60) is not None
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        assert ports.is_free(port)
    finally:
        process.kill()
        process.communicate()
