"""A store that answers but cannot write: remembered for a while, because reads, and so a probe, still work."""

import time
from collections.abc import Callable

LATELY = 30.0
"""Seconds after the last refused write: until then /ready says so, afterwards the next write tries again."""


class Fullness:
    """Whether writes were refused lately. Safe to ask at any time; nothing is stored but one moment."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` counts seconds."""
        self._monotonic = monotonic
        self._until = 0.0

    def refused(self) -> None:
        """A write was refused now."""
        self._until = self._monotonic() + LATELY

    @property
    def lately(self) -> bool:
        """Whether the last refusal is less than `LATELY` ago."""
        return self._monotonic() < self._until
