"""From what others state to what the steps take."""

import orjson
from pydantic import TypeAdapter, ValidationError

from services.otp.domain.challenge import BadEvidence, DeliveryStatus
from shared.events import (
    AppointmentInvited,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    Evidence,
    Reason,
)

_EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Evidence)


def evidence_in(opened: object) -> Evidence:
    """What a reply proves. Raises BadEvidence, which shows no value."""
    try:
        return _EVIDENCE.validate_python(opened)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise BadEvidence(problem=".".join(map(str, first["loc"])) + ": " + first["type"]) from None


def asking_of(event: AppointmentInvited) -> str:
    """What every message and page of a challenge needs, as one text that scripts pass on unread."""
    fields = {
        "organisation": event.organisation.model_dump(),
        "unit": event.unit.model_dump(mode="json"),
        "post": event.post.model_dump(),
        "language": event.language,
        "fingerprints": event.fingerprints,
        "phone_last3": event.phone_last3,
        "contact": event.for_notifier,
        "recorded_at": event.recorded_at.isoformat(),
    }
    return orjson.dumps(fields).decode()


def status_of(event: DeliveryEvent) -> DeliveryStatus:
    """What became of a message, in one word."""
    if isinstance(event, DeliveryAccepted):
        return "accepted"
    if isinstance(event, DeliveryDelivered):
        return "delivered"
    if not isinstance(event, DeliveryFailed):
        return "unknown"
    if event.falls_back:
        return "falls_back"
    return "expired" if event.reason is Reason.EXPIRED else "failed"
