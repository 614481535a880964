"""The bus: publish events, hear them in order and at least once, keep what could not be handled."""

from shared.bus.connection import Connection
from shared.bus.consumer import Consumer, probe_all
from shared.bus.dead import DeadLetter
from shared.bus.handling import Context, Handler, Handlers
from shared.bus.health import Health, NotHearing
from shared.bus.kafka.topics import ALL_TOPICS, cluster_id, delete_topics, ensure_topics
from shared.bus.memory import MemoryBroker
from shared.bus.metrics import BusMetrics
from shared.bus.producer import Producer
from shared.bus.reader import Lag, Reader
from shared.bus.retry import RetryBudget
from shared.bus.wire import (
    Broker,
    BusUnavailable,
    Misconfigured,
    Outgoing,
    Place,
    Received,
    TopicForbidden,
    TopicUnfit,
    Unpublishable,
)

__all__ = [
    "ALL_TOPICS", "Broker", "BusMetrics", "BusUnavailable", "Connection", "Consumer", "Context", "DeadLetter",
    "Handler", "Handlers", "Health", "Lag", "MemoryBroker", "Misconfigured", "NotHearing", "Outgoing", "Place",
    "Producer", "Reader", "Received", "RetryBudget", "TopicForbidden", "TopicUnfit", "Unpublishable", "cluster_id",
    "delete_topics", "ensure_topics", "probe_all",
]  # fmt: skip
