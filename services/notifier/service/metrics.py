"""What the notifier counts."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from services.notifier.domain.delivery import NO_PROVIDER
from shared.events import Lane

OUTCOMES = ("accepted", "requeued", "throttled", "fallback", "failed", "unknown", "expired", "not_mine")
RECEIPTS = ("sent", "delivered", "failed", "stale")
INBOUND = ("code", "refusal", "stop", "start", "help", "unreadable")


class Metrics:
    """Counters; every child is there from the start at 0, or `increase()` misses the first count."""

    def __init__(self, registry: CollectorRegistry, channels: Iterable[tuple[str, str]]) -> None:
        """`channels` are the (provider, channel) pairs of this installation."""
        self.sends = Counter(
            "boothline_sends_total", "Sends by outcome", ["provider", "channel", "lane", "outcome"], registry=registry
        )
        self.receipts = Counter(
            "boothline_receipts_total", "Receipts by what they changed", ["provider", "status"], registry=registry
        )
        self.resent = Counter("boothline_resent_total", "Announcements sent again after a doubt", registry=registry)
        self.inbound = Counter("boothline_inbound_total", "Replies by SMS by kind", ["kind"], registry=registry)
        for provider, channel in (*channels, (NO_PROVIDER, NO_PROVIDER)):
            for lane in Lane:
                for outcome in OUTCOMES:
                    self.sends.labels(provider, channel, lane.value, outcome)
            for status in RECEIPTS:
                self.receipts.labels(provider, status)
        for kind in INBOUND:
            self.inbound.labels(kind)
