"""Consumers that are killed, frozen and stopped: nothing is lost, repeats are few and can be told by their id."""

import asyncio
import signal

import pytest

from shared.bus import Connection, Producer
from shared.events import PEOPLE, encode
from tests.contract.bus.scenery import erased
from tests.integration.bus.conftest import Listeners

pytestmark = pytest.mark.timeout(900)


async def _publish(producer: Producer, count: int) -> set[str]:
    events = [erased(subject, version) for version in range(1, 6) for subject in range(count // 5)]
    await producer.publish([encode(event) for event in events])
    return {f"{event.subject} {event.version}" for event in events}


@pytest.mark.slow
async def test_invariant_03_a_kill_between_effect_and_commit_repeats_but_loses_nothing(
    producer: Producer, listeners: Listeners
) -> None:
    expected = await _publish(producer, 1500)
    first = await listeners.start(signal.SIGKILL)
    async with asyncio.timeout(120):
        await first.wait()
    assert len(listeners.effects()) < len(expected)
    await listeners.start()
    await listeners.have(len(expected))
    assert listeners.effects().keys() == expected


async def test_invariant_09_sigterm_under_load_commits_what_was_handled_and_the_next_one_repeats_nothing(
    producer: Producer, listeners: Listeners, connection: Connection
) -> None:
    expected = await _publish(producer, 3000)  # a consumer has 2,000 in hand at most, and finishes those
    first = await listeners.start(signal.SIGTERM)
    async with asyncio.timeout(120):
        assert await first.wait() == 0
    done = listeners.effects()
    assert len(done) < len(expected)
    async with connection.reader() as reader:
        assert sum((await reader.committed("group", [PEOPLE])).values()) == done.total()
    await listeners.start()
    await listeners.have(len(expected))
    assert set(listeners.effects().values()) == {1}


@pytest.mark.slow
async def test_invariant_08_a_member_that_was_frozen_past_its_session_gives_way_and_comes_back(
    producer: Producer, listeners: Listeners, connection: Connection
) -> None:
    expected = await _publish(producer, 1500)
    first = await listeners.start(signal.SIGSTOP)
    await listeners.have(100)
    second = await listeners.start()  # joins when the session of the first has ended
    await listeners.have(len(expected) // 2)
    first.send_signal(signal.SIGCONT)
    await listeners.joins(first)  # it was put out, and is back; before that, the embedded broker might hold it for ever
    await listeners.have(len(expected))
    assert listeners.effects().keys() == expected
    assert (first.returncode, second.returncode) == (None, None)
    second.send_signal(signal.SIGTERM)
    assert await second.wait() == 0
    more = {f"{erased(f'later {number}').subject} 1" for number in range(50)}
    await producer.publish([encode(erased(f"later {number}")) for number in range(50)])
    await listeners.have(len(expected | more))
