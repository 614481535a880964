"""One secured cluster for all tests of this folder: topics made and ACLs set as an operator would."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.bus import ALL_TOPICS, BusUnavailable, ensure_topics
from shared.events.catalogue import GROUPS
from shared.events.rights import rights
from stack.folder import RunFolder
from stack.kafka import Jars
from tests.integration.security.secured import Secured, all_closed, ran, secured


@pytest.fixture(scope="session")
def kafka(apache_jars: Jars, run_folder: RunFolder) -> Iterator[Secured]:
    """With all rights of the contract and all topics, made by a principal that has no more than its own rights."""
    made = secured(apache_jars, run_folder, name="secured")
    try:
        made.kafka.start()
        made.allow(rights())
        assert len(ran(ensure_topics(made.connection("topics")))) == len(ALL_TOPICS)
        ran(_coordinated(made))
        yield made
    finally:
        made.kafka.kill()


async def _coordinated(kafka: Secured) -> None:
    """The first question about a group makes the topic of all offsets; until it has a leader, every answer is no."""
    reader = kafka.connection("console").reader()
    async with asyncio.timeout(120):
        while True:
            try:
                await asyncio.gather(*(reader.committed(group, topics) for group, topics in GROUPS.items()))
            except BusUnavailable:
                await asyncio.sleep(0.2)
            else:
                return


@pytest.fixture(autouse=True)
async def _connections_end() -> AsyncIterator[None]:
    """No test leaves a connection behind."""
    yield
    await all_closed()
