"""A process whose only handler never comes back: `stubborn` swallows its cancellation, `asleep` blocks the event loop,
`patient` would be all right, so that it ends for other reasons only."""

import asyncio
import sys
import time

import shared.bus.kafka.member  # noqa: F401 # here, since its import would block the loop
from shared import lifecycle, process
from shared.bus import Connection, Consumer, Context
from shared.clock import utc_now
from shared.events import PersonErased
from shared.lifecycle import Lifecycle
from shared.log import configure


async def main(broker: Connection, kind: str) -> None:
    """Until something ends it."""

    async def handle(_: PersonErased, __: Context) -> None:
        sys.stdout.write("handling\n")
        sys.stdout.flush()
        if kind == "asleep":
            time.sleep(3600)  # noqa: ASYNC251 # this is the fault
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if kind != "stubborn":
                    raise

    async with Lifecycle() as life:
        consumer = Consumer(
            broker, "group", {PersonErased: handle}, clock=utc_now, tasks=life.tasks, handler_limit=0.5,
            drain_timeout=1.0,
        )  # fmt: skip
        consumer._watch._watchdog._grace = 0.5
        await life.enter(consumer)
        await life.until_stopped()


if __name__ == "__main__":
    _, bootstrap, embedded, kind = sys.argv
    configure("doomed", "error")
    lifecycle._AGAIN_SECONDS = 0.5
    blocked_seconds = 5 if kind == "asleep" else process.BLOCKED_SECONDS  # a slow machine is no handler that blocks
    broker = Connection(bootstrap, "doomed", ephemeral=embedded == "True")
    process.run(main(broker, kind), blocked_seconds=blocked_seconds)
