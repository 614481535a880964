"""How a process ends: its exit code tells a supervisor what to do."""

import subprocess
import sys

import pytest

from shared import process
from shared.bus import BusUnavailable, Misconfigured, TopicUnfit
from shared.bus.watchdog import HandlerUnstoppable
from shared.bus.wire import Stalled
from shared.errors import EX_CONFIG, EX_TEMPFAIL, Failure


async def _raises(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a bug"), 1),
        (Failure(), 1),
        (BusUnavailable(), EX_TEMPFAIL),
        (HandlerUnstoppable(topic="t"), EX_TEMPFAIL),
        (Stalled(group="g", seconds=300), EX_TEMPFAIL),
        (TopicUnfit(topic="t", problem="missing"), EX_CONFIG),
        (Misconfigured(problem="p"), EX_CONFIG),
        (ExceptionGroup("several", [RuntimeError(), ExceptionGroup("", [TopicUnfit(topic="t", problem="p")])]), 78),
    ],
)
def test_the_exit_code_says_what_a_supervisor_can_do(error: Exception, code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        process.run(_raises(error))
    assert ended.value.code == code


def test_a_process_that_was_asked_to_stop_ends_with_zero() -> None:
    async def nothing() -> None:
        return

    process.run(nothing())


_BLOCKED = """
import asyncio, time
from shared import process
async def main():
    time.sleep(3600)
process.run(main(), blocked_seconds=1)
"""
_STUBBORN = """
import asyncio
from shared import process
async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
async def main():
    asyncio.get_running_loop().create_task(stubborn())
    await asyncio.sleep(0)
process._LAST_SECONDS = 0.1
process.run(main())
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [(_BLOCKED, "event loop is blocked"), (_STUBBORN, "a task does not end")],
    ids=["a loop that stands still", "a task that swallows its cancellation"],
)
def test_what_cannot_end_in_order_is_ended_with_75(script: str, said: str) -> None:
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == EX_TEMPFAIL
    assert said in ended.stdout + ended.stderr
