"""Processes that cannot go on: the exit code tells a supervisor what to do, and nothing is committed."""

import asyncio
import sys

import pytest

from shared.bus import Connection, Producer
from shared.errors import EX_CONFIG, EX_TEMPFAIL
from shared.events import PEOPLE, encode
from tests.contract.bus.scenery import erased
from tests.integration.bus.conftest import Listeners

pytestmark = pytest.mark.timeout(900)


async def _end_of(kind: str, broker: Connection) -> tuple[int, str]:
    """Exit code and what was logged."""
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.bus.doomed", broker.bootstrap, str(broker.ephemeral), kind,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(120):
            said, logged = await doomed.communicate()
    finally:
        if doomed.returncode is None:
            doomed.kill()
            await doomed.wait()
    assert doomed.returncode is not None
    return doomed.returncode, (said + logged).decode()


@pytest.mark.parametrize(("kind", "reason"), [("stubborn", "handler_unstoppable"), ("asleep", "event loop is blocked")])
async def test_invariant_18_a_process_whose_handler_cannot_be_ended_ends_with_75_and_the_next_one_finds_the_record(
    connection: Connection, producer: Producer, listeners: Listeners, kind: str, reason: str
) -> None:
    await producer.publish([encode(erased("poor"))])
    code, said = await _end_of(kind, connection)
    assert code == EX_TEMPFAIL
    assert "handling" in said
    assert reason in said
    async with connection.reader() as reader:
        assert not any((await reader.committed("group", [PEOPLE])).values())
    await listeners.start()
    await listeners.have(1)


async def test_invariant_25_a_process_whose_topics_are_missing_or_different_ends_with_78_and_names_them(
    bare: Connection,
) -> None:
    code, said = await _end_of("patient", bare)
    assert code == EX_CONFIG
    assert "Topic registry.people does not fit the contract: missing." in said
