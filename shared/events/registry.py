"""What the registry states: appointments and erased persons."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from shared.events.envelope import Event, Fingerprints, Label, Language, Notice, PostRef, UnitRef
from shared.seal import Sealed


class AppointmentEvent(Event):
    """State of an appointment; `subject` is its id. One cycle is one challenge: a corrected phone or a re-issue starts
    the next. The first invitation of a cycle is valid until `not_after`."""

    cycle: int = Field(ge=1)

    @property
    def appointment_id(self) -> UUID:
        """The appointment."""
        return self.subject


class AppointmentInvited(AppointmentEvent):
    """Somebody is to be asked: everything that the asking needs."""

    organisation: Label
    unit: UnitRef
    post: PostRef
    language: Language
    mode: Literal["live", "invite"]
    """live: the code goes out at once. invite: a link goes out, the code when the person asks for it."""
    fingerprints: Fingerprints
    phone_last3: str = Field(pattern=r"^\d{3}$")
    for_otp: Sealed
    """registry -> otp, field `page`: {"appointee": {"hi","en"} (first name and initial), "recorder": str}."""
    for_notifier: Sealed
    """registry -> notifier, field `contact`: {"phone": E.164, "appointee": {"hi","en"}, "recorder": str}."""
    notice: Notice
    recorded_at: AwareDatetime


class AppointmentRecorded(AppointmentInvited):
    """An appointment was recorded: its first cycle begins."""

    type: ClassVar[str] = "appointment.recorded.v1"


class AppointmentReissued(AppointmentInvited):
    """A wrong phone was corrected, or a locked or expired invitation is issued again: the next cycle begins."""

    type: ClassVar[str] = "appointment.reissued.v1"


class AppointmentEnded(AppointmentEvent):
    """The appointment is over; this wins over everything in flight."""

    type: ClassVar[str] = "appointment.ended.v1"

    reason: Literal["resigned", "removed", "mistake", "term_over", "other"]


class PersonErased(Event):
    """A person's data is erased; `subject` is the person. Consumers erase theirs and refuse later events about it."""

    type: ClassVar[str] = "person.erased.v1"

    appointment_ids: tuple[UUID, ...]
    fingerprints: tuple[Fingerprints, ...] = ()
    """Only of phones that no other person holds."""
