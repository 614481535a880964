"""When a carrier reports what became of a message, what it reports, and how it signs the report."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class PhoneState(StrEnum):
    """What a phone does with an SMS."""

    ON = "on"
    OFF = "off"  # accepted, then silence: never a final receipt
    DEAD = "dead"  # undelivered 30005, unknown handset
    BLOCKED = "blocked"  # undelivered 30004, message blocked
    UNREACHABLE = "unreachable"  # undelivered 30003
    FILTERED = "filtered"  # undelivered 30007, carrier filter
    LANDLINE = "landline"  # refused at once, 21614
    OPTED_OUT = "opted_out"  # refused at once, 21610


UNDELIVERED = {
    PhoneState.DEAD: 30005,
    PhoneState.BLOCKED: 30004,
    PhoneState.UNREACHABLE: 30003,
    PhoneState.FILTERED: 30007,
}
"""Twilio's error codes of a message that was accepted and not delivered."""


class Receipts(StrEnum):
    """When receipts come."""

    NORMAL = "normal"
    EARLY = "early"  # all of them before the sender gets its 201
    LATE = "late"
    TWICE = "twice"
    OUT_OF_ORDER = "out_of_order"  # delivered first, sent afterwards
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Step:
    """One receipt, `after` seconds behind the one before it."""

    after: float
    status: str
    error_code: int | None = None


def plan(state: PhoneState, receipts: Receipts, *, delay: float, late_by: float) -> list[Step]:
    """The receipts of one message; `delay` and `late_by` in seconds."""
    if receipts is Receipts.NEVER:
        return []
    early = receipts is Receipts.EARLY
    sent = Step(0.0 if early else delay / 2, "sent")
    if state is PhoneState.OFF:
        return [sent]
    wait = {Receipts.EARLY: 0.0, Receipts.LATE: late_by}.get(receipts, delay / 2)
    code = UNDELIVERED.get(state)
    final = Step(wait, "undelivered" if code else "delivered", code)
    if receipts is Receipts.TWICE:
        return [sent, sent, final, final]
    return [final, sent] if receipts is Receipts.OUT_OF_ORDER else [sent, final]


def sign(token: str, url: str, params: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the exact URL and the sorted parameters, base64."""
    text = url + "".join(name + params[name] for name in sorted(params))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()
