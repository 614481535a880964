"""What the registry hears, as values."""

from dataclasses import dataclass
from datetime import datetime

from services.registry.domain.records import Mode
from services.registry.domain.states import Heard
from shared.events import ChallengeEvent, DeliveryEvent, DeliveryFailed

ANNOUNCEMENT = "announcement"
"""Template of what channels and members get; the others go to the appointee (shared/events/notifier.py)."""


@dataclass(frozen=True, slots=True)
class OfChallenge:
    """What otp stated, and when and in which trace it was heard."""

    event: ChallengeEvent
    heard: Heard
    now: datetime
    trace: str | None


@dataclass(frozen=True, slots=True)
class OfMessage:
    """What the notifier stated of a message, and in which trace it was heard."""

    event: DeliveryEvent
    state: str
    trace: str | None

    @property
    def reason(self) -> str | None:
        """Why it failed."""
        return self.event.reason.value if isinstance(self.event, DeliveryFailed) else None

    @property
    def falls_back(self) -> bool:
        """The next channel is tried."""
        return isinstance(self.event, DeliveryFailed) and self.event.falls_back

    @property
    def is_shown(self) -> bool:
        """Whether it stands in a timeline: a message to the appointee or to a channel. Of announcements to members only
        counts do."""
        return self.event.appointment_id is not None and (
            self.event.template != ANNOUNCEMENT or self.event.unit_id is not None
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """The appointment of a message, as far as its time is measured."""

    cycle: int
    mode: Mode
    invited_at: datetime
