"""Apache Kafka by itself, for trying out: one node until Ctrl-C."""

import asyncio
from collections.abc import Callable

from stack.child import StartFailed
from stack.embedded.starting import drive_async
from stack.folder import RunFolder
from stack.kafka.archive import prepared
from stack.kafka.cluster import KafkaCluster
from stack.report import Report

PORT = 9292
"""Beside Kafka's own default, where somebody's real broker may listen."""


async def serve(make_folder: Callable[[], RunFolder], report: Report) -> int:
    """Runs one empty node and says how to use it; raises `KafkaMissing`, `StartFailed`, `FolderInUse`."""
    with report.step("Apache Kafka's jars"):
        jars = prepared()
    folder = make_folder()
    kafka = KafkaCluster(jars, folder, preferred=PORT)
    try:
        with report.step("one node"):
            await drive_async(kafka.starting())
        report.line("")
        report.line(f"  KAFKA={kafka.bootstrap} make demo")
        report.line("")
        (node,) = kafka.nodes
        while node.child is not None and node.child.exit_code is None:  # noqa: ASYNC110  a process is no event
            await asyncio.sleep(0.2)
        raise StartFailed(node.child.story("ended by itself") if node.child else "the node is gone")
    finally:
        with report.step("stopping"):
            kafka.stop()
            folder.close()
