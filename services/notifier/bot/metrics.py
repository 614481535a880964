"""What the bot counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

UPDATES = ("kept", "handled", "ignored", "retried", "dead", "unreadable")
CALLS = ("said", "unchanged", "too_late", "throttled", "retried", "refused", "dead")
TROUBLES = ("conflict", "unauthorized", "throttled", "unreachable")


class BotMetrics:
    """Counters and gauges; every child is there from the start at 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.updates = Counter(
            "boothline_telegram_updates_total", "Updates by what became of them", ["outcome"], registry=registry
        )
        self.calls = Counter(
            "boothline_telegram_answers_total", "Calls of the dialog by outcome", ["outcome"], registry=registry
        )
        self.troubles = Counter(
            "boothline_telegram_troubles_total", "Failed attempts to hear from Telegram", ["kind"], registry=registry
        )
        self.throttled = Counter(
            "boothline_telegram_throttled_seconds_total", "Seconds that 429 told us to wait", registry=registry
        )
        self.heard = Gauge(
            "boothline_telegram_heard_timestamp_seconds", "Last successful poll or webhook call", registry=registry
        )
        self.waiting = Gauge(
            "boothline_telegram_updates_waiting", "Updates that are kept and not handled", registry=registry
        )
        for counter, children in ((self.updates, UPDATES), (self.calls, CALLS), (self.troubles, TROUBLES)):
            for child in children:
                counter.labels(child)
