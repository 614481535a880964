"""What the registry keeps, as values: units, posts, people, appointments, deliveries."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.registry.domain.names import Name
from services.registry.domain.states import State
from services.registry.domain.vault import Box
from shared.events import Label, Language, Notice, PostRef, UnitRef

Mode = Literal["live", "invite"]
Gender = Literal["female", "male", "other"]


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who runs the committees."""

    id: UUID
    label: Label
    language: Language
    preset: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A place in the tree."""

    id: UUID
    level: str
    level_label: Label
    code: str
    number: str | None
    name_hi: str | None
    name_en: str | None
    within: Label | None = None

    @property
    def label(self) -> Label:
        """Number and name: names repeat, so a booth never stands without its number."""
        if not self.number:
            return Label(hi=self.name_hi, en=self.name_en)
        return Label(hi=self._numbered("hi", self.name_hi), en=self._numbered("en", self.name_en))

    def _numbered(self, language: Language, name: str | None) -> str | None:
        if name is None and (self.name_hi or self.name_en):
            return None  # a missing script is shown as missing
        number = f"{self.level_label.text(language)} {self.number}"
        return f"{number}, {name}" if name else number

    @property
    def ref(self) -> UnitRef:
        """As events name it."""
        return UnitRef(id=self.id, code=self.code, label=self.label, within=self.within)


@dataclass(frozen=True, slots=True)
class Post:
    """A post of a level's catalogue."""

    level: str
    code: str
    label: Label
    seats: int

    @property
    def ref(self) -> PostRef:
        """As events name it."""
        return PostRef(code=self.code, label=self.label)


@dataclass(frozen=True, slots=True)
class Contact:
    """A phone of a person: encrypted, found by fingerprint, shown by its last three digits."""

    id: UUID
    person_id: UUID
    phone: Box = field(repr=False)
    last3: str
    fingerprints: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Holder:
    """A person and the phone that was found or made for them."""

    person_id: UUID
    name: Name
    contact: Contact


@dataclass(frozen=True, slots=True)
class Appointment:
    """A person on a seat, from recorded to ended."""

    id: UUID
    organisation_id: UUID
    unit_id: UUID
    level: str
    post: str
    seat: int
    person_id: UUID
    contact_id: UUID | None
    state: State
    state_at: datetime
    cycle: int
    version: int
    mode: Mode
    language: Language
    external_ref: str | None
    notice: Notice
    recorder: str
    recorded_by: UUID
    recorded_at: datetime
    invited_at: datetime
    not_after: datetime
    verified_at: datetime | None = None
    verified_via: str | None = None
    verified_notice: Notice | None = None
    name_consent: Notice | None = None
    ended_at: datetime | None = None
    ended_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened to an appointment."""

    kind: str
    at: datetime
    cycle: int
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be noted in an appointment's timeline, and shown on open pages."""

    appointment: Appointment
    kind: str
    at: datetime
    details: dict[str, object]
    cycle: int | None
    """None: the appointment's."""
    trace: str | None
    """Trace context of what made it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The last state of a message."""

    message_id: UUID
    template: str
    channel: str
    provider: str
    state: str
    reason: str | None
    falls_back: bool
    attempt: int
    parts: int | None
    cycle: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """How many announcement messages of one channel stand in one state."""

    channel: str
    state: str
    messages: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """A subscriber who is told about a unit."""

    person_id: UUID
    name: Name
    language: Language
    contact: Contact


@dataclass(frozen=True, slots=True)
class Announcement:
    """An announcement under way: subscribers up to `after_person` have their messages."""

    challenge_id: UUID
    organisation_id: UUID
    appointment_id: UUID
    after_person: UUID
    at: datetime
    """When the appointment was verified."""
    trace: str | None

    def after(self, person_id: UUID) -> "Announcement":
        """The same, one page further."""
        return replace(self, after_person=person_id)


@dataclass(frozen=True, slots=True)
class Channel:
    """The Telegram channel of a unit."""

    unit_id: UUID
    chat_id: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A held seat of a committee."""

    post: str
    ordinal: int
    appointment_id: UUID
    state: State
    state_at: datetime
    gender: Gender | None
    name: Name


@dataclass(frozen=True, slots=True)
class UnitLine:
    """A unit in a list."""

    unit: Unit
    parent_code: str | None
    seats: int
    held: int
    verified: int
