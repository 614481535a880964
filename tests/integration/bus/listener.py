"""A process with one consumer: every event it handles becomes a line in a file, before its offset is committed."""

import asyncio
import sys
from pathlib import Path

from shared.bus import Connection, Consumer, Context
from shared.clock import utc_now
from shared.events import PersonErased
from shared.lifecycle import Lifecycle
from shared.log import configure


async def main(bootstrap: str, group: str, path: Path) -> None:
    """Run until SIGTERM."""
    configure("listener", "error")
    with path.open("a", buffering=1) as effects:

        async def handle(event: PersonErased, _: Context) -> None:
            await asyncio.sleep(0.01)
            effects.write(f"{event.subject} {event.version}\n")

        async with Lifecycle() as life:
            consumer = Consumer(
                Connection(bootstrap, "listener", ephemeral=True),
                group,
                {PersonErased: handle},
                clock=utc_now,
                tasks=life.tasks,
                lanes=4,
                window=20,
            )
            await life.enter(consumer)
            await consumer.joined()
            sys.stdout.write("joined\n")
            sys.stdout.flush()
            await life.until_stopped()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
