"""Outbox to topics: derive, seal, publish, and only then trim the stream."""

from services.otp.relay.composing import Composer
from services.otp.relay.publishing import Publisher, Relay, RelayMetrics

__all__ = ["Composer", "Publisher", "Relay", "RelayMetrics"]
