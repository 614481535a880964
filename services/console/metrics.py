"""What Prometheus is told about the stream as a whole: lag, limits, dead letters."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from services.console.domain import DeadRow, lag_limit
from shared.bus import Lag
from shared.bus.metrics import reason_label
from shared.events import TOPICS
from shared.events.catalogue import GROUPS

_PLACE = ("group", "topic", "partition")


class Gauges:
    """Set by one probe. Only the console measures lag: it sees groups that are dead, too (operator.md L2)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register them; limits and retention are data of the contract, so that one alert rule serves all topics."""
        self._records = Gauge("boothline_consumer_lag_messages", "Records that wait", _PLACE, registry=registry)
        self._seconds = Gauge(
            "boothline_consumer_lag_seconds", "Age of the first that waits", _PLACE, registry=registry
        )
        self._committed = Gauge("boothline_consumer_committed_offset", "Next to handle", _PLACE, registry=registry)
        self._lost = Gauge(
            "boothline_consumer_lost_records",
            "Removed by retention before they were handled",
            _PLACE,
            registry=registry,
        )
        dead = ("group", "topic", "reason")
        self._dead = Gauge("boothline_dead_letters_open", "Dead letters that are kept", dead, registry=registry)
        self._oldest = Gauge(
            "boothline_dead_letters_oldest_timestamp_seconds", "When the oldest was given up", dead, registry=registry
        )
        self._probed = Gauge("boothline_lag_probe_timestamp_seconds", "When lag was last measured", registry=registry)
        limits = Gauge(
            "boothline_lag_limit_seconds", "Lag that nobody should have", ("group", "topic"), registry=registry
        )
        retention = Gauge(
            "boothline_topic_retention_seconds", "How long records are kept", ("topic",), registry=registry
        )
        for group, topics in GROUPS.items():
            for topic in topics:
                if (limit := lag_limit(topic)) is not None:
                    limits.labels(group, topic.name).set(limit)
        for topic in (*TOPICS, *(topic.dead for topic in TOPICS)):
            retention.labels(topic.name).set(topic.retention_days * 86_400)

    def show(self, lags: Sequence[Lag], dead: Sequence[DeadRow], now: datetime) -> None:
        """Set everything to what was found at `now`."""
        for lag in lags:
            place = (lag.group, lag.place.topic, str(lag.place.partition))
            self._records.labels(*place).set(lag.records)
            self._seconds.labels(*place).set(lag.seconds(now))
            self._committed.labels(*place).set(lag.committed)
            self._lost.labels(*place).set(lag.lost)
        self._dead.clear()
        self._oldest.clear()
        found: dict[tuple[str, str, str], list[DeadRow]] = {}
        for row in dead:
            found.setdefault(_labels(row), []).append(row)
        for labels, rows in found.items():
            self._dead.labels(*labels).set(sum(row.count for row in rows))
            self._oldest.labels(*labels).set(min(row.oldest for row in rows).timestamp())
        self._probed.set(now.timestamp())


def _labels(row: DeadRow) -> tuple[str, str, str]:
    """Of closed sets: a record in a dead letter topic may say anything of itself."""
    group = row.group if row.group in GROUPS else "unknown"
    topic = row.topic if row.topic in {topic.name for topic in TOPICS} else "unknown"
    return group, topic, reason_label(row.reason)
