"""Waiting for servers: one step at a time, so that several start together and Ctrl-C is heard between steps."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import closing

from stack.child import Child, StartFailed, Waiting

READY_SECONDS = 60.0
"""For each server: a hundred times what it needs on a quiet machine."""
_STEP = 0.02  # seconds; a server needs 5 ms (broker) to 600 ms (PostgreSQL)


def until(ready: Callable[[], bool], child: Child, *, seconds: float) -> Waiting:
    """Waits until `ready`, or until `child` has ended (look at its exit code); raises `StartFailed` after `seconds`."""
    deadline = time.monotonic() + seconds
    while child.exit_code is None and not ready():
        if time.monotonic() > deadline:
            raise StartFailed(child.story(f"was not ready within {seconds:.0f} s"))
        yield


def together(starts: Iterable[Waiting]) -> Waiting:
    """Takes a step of each in turn until all are done."""
    running = list(starts)
    try:
        while running:
            running = [start for start in running if next(start, _DONE) is not _DONE]
            if running:
                yield
    finally:
        for start in running:
            start.close()


def drive(start: Waiting) -> None:
    """Runs a start to its end, blocking."""
    with closing(start):
        for _ in start:
            time.sleep(_STEP)


async def drive_async(start: Waiting) -> None:
    """Runs a start to its end without blocking the event loop for longer than a step."""
    with closing(start):  # not when the garbage is collected: Ctrl-C leaves no program behind
        for _ in start:
            await asyncio.sleep(_STEP)


_DONE = object()
