"""What a caller gets: an answer, or a connection that breaks, as the fault in force wants it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from services.sandbox.domain.faults import Fault, Stage

Json = dict[str, Any]
HANG_LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Status 0 means: reset the connection instead of answering."""

    status: int
    body: Json
    retry_after: int = 0


RESET = Outcome(0, {})


async def under(
    fault: Fault | None, work: Callable[[], Awaitable[Outcome]], error: Callable[[Fault], Outcome]
) -> Outcome:
    """Do `work` under `fault`: late, not at all, or done and then not answered. `error` words an error answer."""
    if fault is None:
        return await work()
    await asyncio.sleep(min(fault.latency, HANG_LIMIT))
    done = None if fault.breaks and fault.stage is Stage.BEFORE else await work()
    if fault.hang:
        await asyncio.sleep(min(fault.hang, HANG_LIMIT))
    if fault.hang or fault.reset:
        return RESET
    return error(fault) if fault.status or fault.migrate_to or done is None else done
