"""How long the steps of an appointment take: what the objectives and alerts are about."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram

from services.registry.domain.steps import Lane, Step

_CHILDREN: tuple[tuple[Step, Lane], ...] = (
    ("recorded_to_sent", "code"),
    ("recorded_to_sent", "invite"),
    ("recorded_to_receipt", "code"),
    ("recorded_to_receipt", "invite"),
    ("recorded_to_verified", "code"),
    ("recorded_to_verified", "invite"),
    ("changed_to_portal", "page"),
)
_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)
"""Seconds, from a quick machine hop to a person who answers on the last day; 10 is the objective for codes."""


class StepMetrics:
    """boothline_step_seconds: every child exists from the start, a count born at 1 is invisible to `increase()`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register it."""
        seconds = Histogram(
            "boothline_step_seconds", "Time of a step", ["step", "lane"], registry=registry, buckets=_BUCKETS
        )
        self._children = {child: seconds.labels(*child) for child in _CHILDREN}

    def took(self, step: Step, lane: Lane, began: datetime, ended: datetime) -> None:
        """A step took this long; clocks of two machines may disagree, so never less than nothing."""
        self._children[step, lane].observe(max(0.0, (ended - began).total_seconds()))
