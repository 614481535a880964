"""What is stated about a message, and what a receipt changes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifier.domain.message import Message, Standing, State
from shared.events import (
    Channel,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryUnknown,
    Reason,
)

NO_PROVIDER = "none"
"""Stands in a delivery that no provider ever saw."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one try ended; written with its event in one transaction. `message` is as it was claimed or stamped."""

    message: Message
    state: State
    channel: Channel | None
    provider: str | None
    reason: Reason | None = None
    falls_back: bool = False
    """The message is queued again for its next channel, and the failure is stated."""
    reference: str | None = None
    parts: int | None = None
    not_before: datetime | None = None
    counts: bool = False
    """A failure in a row; a message that was throttled or parked did not fail."""
    suppress: bool = False

    @property
    def stated(self) -> bool:
        """Whether others hear of it: being queued again on the same channel is nobody's business."""
        return self.state is not State.QUEUED or self.falls_back

    @property
    def returns(self) -> bool:
        """Whether a try ends in the queue again."""
        return self.message.state is State.SENDING and self.state is State.QUEUED


def state_event(
    message: Message | Standing,
    version: int,
    at: datetime,
    *,
    state: State,
    channel: Channel | None,
    provider: str | None,
    reason: Reason | None = None,
    falls_back: bool = False,
    parts: int | None = None,
) -> DeliveryEvent:
    """The event that states `version` of the message's delivery."""
    kind: type[DeliveryEvent]
    extra: dict[str, object] = {}
    if state is State.ACCEPTED:
        kind = DeliveryAccepted
    elif state is State.DELIVERED:
        kind = DeliveryDelivered
    elif state is State.UNKNOWN:
        kind = DeliveryUnknown
    else:
        kind = DeliveryFailed
        extra = {"reason": reason or Reason.PROVIDER_DOWN, "falls_back": falls_back}
    return kind.model_validate(
        {
            "organisation_id": message.organisation_id,
            "subject": message.id,
            "version": version,
            "at": at,
            "causation_id": message.causation_id,
            "lane": message.lane,
            "template": message.template,
            "channel": channel or message.channel or Channel.SMS,
            "provider": provider or message.provider or NO_PROVIDER,
            "attempt": message.attempt,
            "appointment_id": message.appointment_id,
            "cycle": message.cycle,
            "challenge_id": message.challenge_id,
            "unit_id": message.unit_id,
            "parts": parts,
            **extra,
        }
    )


class ReceiptStatus(StrEnum):
    """What a provider says about a message that it took, in our words."""

    SENT = "sent"  # on its way
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider's word about one try of a message."""

    tries: int
    status: ReceiptStatus
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """What a receipt led to, and the trace of its message."""

    event: DeliveryEvent
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A receipt as it comes in: it names the message that it is about."""

    message_id: UUID
    receipt: Receipt


_RANK = {State.UNKNOWN: 0, State.ACCEPTED: 1, State.FAILED: 2, State.DELIVERED: 3}
MEANS = {
    ReceiptStatus.SENT: State.ACCEPTED,
    ReceiptStatus.DELIVERED: State.DELIVERED,
    ReceiptStatus.FAILED: State.FAILED,
}
"""The state that a receipt speaks of."""


def advance(state: State, receipt: Receipt) -> State | None:
    """The state that a receipt of the current try leads to, or None when it changes nothing: receipts come twice and
    in any order, so only a higher rank counts. `delivered` wins over everything: the phone has it."""
    if state not in _RANK:
        return None
    target = MEANS[receipt.status]
    return target if _RANK[target] > _RANK[state] else None


def best(receipts: list[Receipt]) -> Receipt | None:
    """The receipt that decides among those of one try."""
    return max(receipts, key=lambda receipt: _RANK[MEANS[receipt.status]], default=None)
