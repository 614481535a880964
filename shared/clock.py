"""The one place that reads the clock; everything else takes `now` as an argument or this type injected."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time, aware, in UTC. Lives at the composition root only; tests inject their own clock."""
    return datetime.now(UTC)
