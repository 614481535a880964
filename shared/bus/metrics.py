"""What the runner counts, under the names that dashboards and alerts rely on."""

from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.events import Event, Topic

OUTCOMES = ("ok", "retry", "dead", "skipped")
UNKNOWN = "unknown"
"""Event label of a record whose type is not in the contract: labels come from closed sets."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_NAMED = ("undecodable", "unknown_version", "seal", "handler_stuck", "handler_cancelled")
REASONS = (*_NAMED, "refused", "crash")
"""Why records are given up, as a label: of a closed set, so that each is there from the start. `refused`: a handler's
failure with another code; `crash`: an error that is no failure of ours. The letter itself names code or class."""

M = TypeVar("M", Counter, Gauge, Histogram)


def reason_label(reason: str) -> str:
    """The label for a dead letter's reason."""
    if reason in _NAMED:
        return reason
    return "crash" if reason[:1].isupper() else "refused"  # a class, or a code


class Kept(Generic[M]):
    """A metric whose children are kept: looking one up costs 0.2 us instead of 1.3, and every record needs two."""

    def __init__(self, metric: M) -> None:
        """Of `metric`."""
        self._metric: M = metric
        self._children: dict[tuple[str, ...], M] = {}

    def labels(self, *values: str) -> M:
        """The child of these values, in the order of the labels."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class BusMetrics:
    """Metrics of all consumers of a process; made once, from the process's registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        records = Counter(
            "boothline_records_total", "Records by outcome", ["group", "topic", "event", "outcome"], registry=registry
        )
        seconds = Histogram(
            "boothline_process_seconds", "Time to handle", ["group", "topic"], registry=registry, buckets=_BUCKETS
        )
        self.records, self.seconds = Kept(records), Kept(seconds)
        self.in_flight = Gauge(
            "boothline_consumer_in_flight", "Records taken and not finished", ["group"], registry=registry
        )
        self.oldest = Gauge(
            "boothline_consumer_oldest_in_flight_seconds",
            "Age of the oldest record in flight",
            ["group"],
            registry=registry,
        )
        self.rebalances = Counter(
            "boothline_consumer_rebalances_total", "Assignments received", ["group"], registry=registry
        )
        self.dead = Counter(
            "boothline_dead_letters_total", "Records given up", ["group", "topic", "reason"], registry=registry
        )
        self.paused = Gauge(
            "boothline_consumer_paused", "1 while the dead letter limit holds the group", ["group"], registry=registry
        )
        self.stuck = Counter(
            "boothline_consumer_handlers_stuck_total", "Handlers that the watchdog cancelled", ["group", "topic"],
            registry=registry,
        )  # fmt: skip
        self.loop_lag = Gauge(
            "boothline_consumer_loop_lag_seconds",
            "How late the event loop was at the last look",
            ["group"],
            registry=registry,
        )
        self.loop_stalls = Counter(
            "boothline_consumer_loop_stalls_total", "Event loop late by more than a third of the session", ["group"],
            registry=registry,
        )  # fmt: skip
        self.ready = Gauge(
            "boothline_consumer_ready", "1 while the group's member here is ready", ["group"], registry=registry
        )
        self.waiting = Gauge(
            "boothline_consumer_waiting_records", "Records that wait for a dependency", ["group"], registry=registry
        )
        self.waiting_seconds = Gauge(
            "boothline_consumer_waiting_seconds", "How long the first of them waits", ["group"], registry=registry
        )

    def declare(self, group: str, topics: Iterable[Topic], events: Collection[type[Event]]) -> None:
        """Every child from the start at 0: a counter born at 1 is invisible to `increase()`."""
        for metric in (
            self.in_flight, self.oldest, self.rebalances, self.paused, self.loop_lag, self.loop_stalls, self.ready,
            self.waiting, self.waiting_seconds,
        ):  # fmt: skip
            metric.labels(group)
        for topic in topics:
            self.stuck.labels(group, topic.name)
            self.seconds.labels(group, topic.name)
            for reason in REASONS:
                self.dead.labels(group, topic.name, reason)
            for outcome in OUTCOMES:
                for name in (*(event.type for event in events), UNKNOWN):
                    self.records.labels(group, topic.name, name, outcome)
