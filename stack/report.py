"""What the launcher says to the person at the terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Report:
    """One line per step with its duration; a spinner while it runs, where the output is a terminal."""

    def __init__(self, console: Console) -> None:
        """Writes to `console`."""
        self.console = console

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Shows `what` while the block runs, and that it is done after it; nothing more when it fails."""
        began = time.monotonic()
        with self.console.status(f"{what} .."):
            yield
        self.console.print(f"[green]ok[/] {what} [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)

    def line(self, text: str) -> None:
        """A line as it is."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def failure(self, text: str, *, what: str = "stopped") -> None:
        """What went wrong, without markup being read in it."""
        self.console.print(f"{what}:", style="bold red", end=" ")
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)
