"""Identifiers: UUIDv7 for new things, UUIDv5 for whatever must be the same on every retry (decision: ids)."""

from functools import lru_cache
from uuid import UUID

from uuid_utils import compat

NAMESPACE = UUID("6d0f7f4c-52a5-5f0a-9d0c-b007411e0001")
"""Root of every derived id. Changing it would make every retry look like a new thing."""


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): unique, and ordered by time, which keeps B-tree inserts local."""
    return compat.uuid7()


def challenge_id(appointment: UUID, cycle: int) -> UUID:
    """The challenge of one cycle of an appointment: the same however often the appointment is announced."""
    return compat.uuid5(NAMESPACE, f"challenge:{appointment}:{cycle}")


def message_id(cause: UUID, recipient: str, attempt: int) -> UUID:
    """The message that `cause` (challenge or announcement) sends to `recipient` in its n-th `attempt` (from 1)."""
    return compat.uuid5(NAMESPACE, f"message:{cause}:{recipient}:{attempt}")


@lru_cache(maxsize=4096)  # asked for three times while an event is encoded
def event_id(event_type: str, aggregate: UUID, version: int) -> UUID:
    """The event that states `version` of `aggregate`: consumers count its effect once by this id."""
    return compat.uuid5(NAMESPACE, f"event:{event_type}:{aggregate}:{version}")


def reply_id(source: str, inbound: str) -> UUID:
    """A person's reply, from (bot id, update id) or (provider, its inbound id): a redelivery is the same reply."""
    return compat.uuid5(NAMESPACE, f"reply:{source}:{inbound}")


def conversation_id(channel: str, address: str) -> UUID:
    """The conversation with one address on one channel. `address` is a fingerprint or a chat id, never a phone."""
    return compat.uuid5(NAMESPACE, f"conversation:{channel}:{address}")
