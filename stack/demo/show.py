"""The demo's progress and closing table."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stack.demo.score import Score

_STEP = 0.25  # seconds between two looks: a person cannot read faster
_QUIET_STEP = 5.0  # where the output is a file


@contextlib.asynccontextmanager
async def progress(console: Console, score: Score) -> AsyncIterator[None]:
    """Shows how far the appointments are, as long as the block runs."""
    bars = Progress(
        TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    recorded = bars.add_task("recorded", total=len(score.lines))
    ended = bars.add_task("verified or refused", total=len(score.lines))

    def update() -> None:
        bars.update(recorded, completed=len(score.lines) - score.count("not recorded"))
        bars.update(ended, completed=score.count("verified", "refused"))

    showing = _live(bars, update) if console.is_terminal else _lines(console, score)
    async with asyncio.TaskGroup() as group:
        shower = group.create_task(showing)
        try:
            yield
        finally:
            shower.cancel()
            update()


async def _live(bars: Progress, update: Callable[[], None]) -> None:
    with Live(bars, console=bars.console, refresh_per_second=4):
        while True:
            update()
            await asyncio.sleep(_STEP)


async def _lines(console: Console, score: Score) -> None:
    while True:
        await asyncio.sleep(_QUIET_STEP)
        console.print(f"{score.count('verified')} verified, {score.count('refused')} refused of {len(score.lines)}")


def table(score: Score) -> Table:
    """Behaviour by behaviour: how many ended as they must, and how fast."""
    made = Table(title="What the simulated workers did", title_justify="left")
    made.add_column("workers who ..")
    made.add_column("as it must be", justify="right")
    made.add_column("state")
    made.add_column("median", justify="right")
    for behaviour, good, state, seconds in score.rows():
        made.add_row(behaviour, good, state, seconds)
    return made
