"""When who is killed, and who does what: drawn from a seed, so that a run can be replayed; no I/O."""

import random  # noqa: TID251  seeded: a failure can be replayed
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """What a simulated person does with the invitation."""

    WEB = "types the code on the page"
    SMS = "answers by SMS"
    TELEGRAM = "taps in Telegram"
    REFUSES = "refuses on the page"
    SILENT = "does nothing"

    @property
    def ends(self) -> str:
        """The state that the appointment must end in."""
        return {Way.REFUSES: "refused", Way.SILENT: "recorded"}.get(self, "verified")

    @property
    def steps(self) -> int:
        """Recorded, message seen, acted."""
        return 2 if self is Way.SILENT else 3


_CONFIRM = (Way.WEB, Way.SMS, Way.TELEGRAM)
_OTHERS = {9: Way.REFUSES, 19: Way.SILENT}
"""Of twenty people one refuses and one does nothing."""


def ways(count: int) -> list[Way]:
    """What each of `count` people does: all three ways to confirm in turn."""
    return [_OTHERS.get(number % 20, _CONFIRM[number % 3]) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Strike:
    """`victim` is killed once `step` steps are done, and started again after `away` seconds."""

    step: int
    victim: str
    away: float


def strikes(luck: random.Random, steps: int, victims: Sequence[str], count: int) -> list[Strike]:
    """`count` strikes at random points, none in the last twentieth of `steps`; nobody twice before everybody once."""
    points = sorted(luck.sample(range(1, max(steps * 19 // 20, count + 1)), count))
    order = _rounds(luck, victims)
    return [Strike(step, next(order), round(luck.uniform(0.0, 1.5), 2)) for step in points]


def _rounds(luck: random.Random, victims: Sequence[str]) -> Iterator[str]:
    while True:
        yield from luck.sample(victims, len(victims))
