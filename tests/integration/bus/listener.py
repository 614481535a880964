"""A process with one consumer: every event it handles becomes a line in a file, before its offset is committed.

Told a signal and a number, it sends itself that signal after so many effects: in the middle of its work, however fast
or slow the machine is. It says `joined` whenever it has got partitions.
"""

import asyncio
import signal
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry

from shared.bus import BusMetrics, Connection, Consumer, Context
from shared.clock import utc_now
from shared.events import PersonErased
from shared.lifecycle import Lifecycle
from shared.log import configure


async def main(broker: Connection, group: str, path: Path, itself: signal.Signals | None, after: int) -> None:
    """Run until SIGTERM."""
    configure("listener", "error")
    done = 0
    with path.open("a", buffering=1) as effects:

        async def handle(event: PersonErased, _: Context) -> None:
            nonlocal done
            await asyncio.sleep(0.01)
            effects.write(f"{event.subject} {event.version}\n")
            done += 1
            if itself is not None and done == after:
                signal.raise_signal(itself)

        async def tell() -> None:
            told = 0.0
            while True:
                got = metrics.get_sample_value("boothline_consumer_rebalances_total", {"group": group}) or 0.0
                if got > told:
                    told = got
                    sys.stdout.write("joined\n")
                    sys.stdout.flush()
                await asyncio.sleep(0.02)

        metrics = CollectorRegistry()
        async with Lifecycle() as life:
            consumer = Consumer(
                broker,
                group,
                {PersonErased: handle},
                clock=utc_now,
                tasks=life.tasks,
                lanes=4,
                window=20,
                drain_timeout=50.0,
                metrics=BusMetrics(metrics),
            )
            await life.enter(consumer)
            life.tasks.spawn(tell(), "tells")
            await life.until_stopped()


if __name__ == "__main__":
    _, bootstrap, embedded, group, effects, *rest = sys.argv
    itself, after = (signal.Signals[rest[0]], int(rest[1])) if rest else (None, 0)
    broker = Connection(bootstrap, "listener", ephemeral=embedded == "True")
    asyncio.run(main(broker, group, Path(effects), itself, after))
