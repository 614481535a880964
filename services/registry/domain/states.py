"""States of an appointment, and what otp's word changes: ended wins, older cycles change nothing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class State(StrEnum):
    """Where an appointment stands. Recorded and verified hold their seat; all others free it."""

    RECORDED = "recorded"
    VERIFIED = "verified"
    REFUSED = "refused"
    LOCKED = "locked"
    EXPIRED = "expired"
    ENDED = "ended"

    @property
    def live(self) -> bool:
        """Whether it holds its seat."""
        return self in {State.RECORDED, State.VERIFIED}

    @property
    def reissuable(self) -> bool:
        """Whether the same phone may be asked again."""
        return self in {State.LOCKED, State.EXPIRED}

    @property
    def correctable(self) -> bool:
        """Whether another phone may be asked: a proved phone is not wrong, and ended is the end."""
        return self in {State.RECORDED, State.REFUSED, State.LOCKED, State.EXPIRED}


class Heard(StrEnum):
    """What otp states about a challenge."""

    OPENED = "opened"
    VERIFIED = "verified"
    REFUSED = "refused"
    LOCKED = "locked"
    EXPIRED = "expired"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Effect:
    """What to do about an event."""

    becomes: State | None = None
    """The appointment's new state; None: it stays."""
    tell_ended: bool = False
    """The person confirmed something that is over, and must be told so."""


NOTHING = Effect()


def effect(state: State, cycle: int, heard: Heard, heard_cycle: int) -> Effect:
    """What `heard` about `heard_cycle` does to an appointment in `state` of `cycle`. The caller has compared the
    challenge's version already."""
    if heard_cycle != cycle or state is not State.RECORDED:
        return Effect(tell_ended=heard is Heard.VERIFIED and (state is not State.VERIFIED or heard_cycle != cycle))
    match heard:
        case Heard.OPENED | Heard.CLOSED:
            return NOTHING
        case Heard.VERIFIED:
            return Effect(becomes=State.VERIFIED)
        case Heard.REFUSED:
            return Effect(becomes=State.REFUSED)
        case Heard.LOCKED:
            return Effect(becomes=State.LOCKED)
        case Heard.EXPIRED:
            return Effect(becomes=State.EXPIRED)
        case _:
            assert_never(heard)
