"""The steps of an appointment that people wait for, and who is told how long one took."""

from datetime import datetime
from typing import Literal, Protocol

from services.registry.domain.records import Mode

Step = Literal["recorded_to_sent", "recorded_to_receipt", "recorded_to_verified", "changed_to_portal"]
Lane = Literal["code", "invite", "page"]


class Took(Protocol):
    """Hears of every step that ended."""

    def __call__(self, step: Step, lane: Lane, began: datetime, ended: datetime) -> None:
        """`step` took from `began` to `ended`."""


def lane_of(mode: Mode) -> Lane:
    """A code is waited for at the phone; an invitation of an import is not."""
    return "code" if mode == "live" else "invite"


def untold(step: Step, lane: Lane, began: datetime, ended: datetime) -> None:
    """For processes that measure nothing."""
