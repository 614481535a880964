"""Topics and groups in memory, behind the same port as Kafka: for unit tests of consumers and relays."""

from shared.bus.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
