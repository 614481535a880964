"""What every event carries, and the small values that several events share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, computed_field, model_validator

from shared import ids

Language = Literal["hi", "en"]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""HMAC-SHA-256 of an E.164 phone under one key of the organisation, hex. Never a record key."""
Fingerprints = dict[str, Fingerprint]
"""Key version -> fingerprint: two entries during a rotation, else one."""


class Frozen(BaseModel):
    """A value on the wire: immutable, unknown fields ignored (additive evolution), input never echoed in errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,  # encode writes every field, and readers may rely on it
    )


class Label(Frozen):
    """A name in the scripts it was given in; a missing script is shown as missing, never transliterated."""

    hi: str | None = None
    en: str | None = None

    @model_validator(mode="after")
    def _has_a_script(self) -> "Label":
        if not (self.hi or self.en):
            raise ValueError("a label needs at least one script")
        return self

    def text(self, language: str) -> str:
        """In `language` if given in it, else in the other script."""
        return (self.hi or self.en or "") if language == "hi" else (self.en or self.hi or "")


class UnitRef(Frozen):
    """A unit as people know it: `within` is the unit above, so that two booths of one number can be told apart."""

    id: UUID
    code: str
    label: Label
    within: Label | None = None


class PostRef(Frozen):
    """A post of the catalogue."""

    code: str
    label: Label


class Notice(Frozen):
    """Which privacy notice somebody was shown, in which language, when."""

    version: str
    language: Language
    at: AwareDatetime


class Channel(StrEnum):
    """A way to reach a person."""

    TELEGRAM = "telegram"
    SMS = "sms"


class Via(StrEnum):
    """The way in which a person acted."""

    WEB = "web"
    SMS = "sms"
    TELEGRAM = "telegram"


class Event(Frozen):
    """A fact that others hear. Its type with major version, topic, producer and consumers stand in the catalogue."""

    type: ClassVar[str]

    organisation_id: UUID
    subject: UUID
    """The aggregate that this states: appointment, challenge, message or reply."""
    version: int = Field(ge=1)
    """Version of the aggregate. State events carry the full state; a version not above the known one is ignored."""
    at: AwareDatetime
    not_after: AwareDatetime | None = None
    """After this moment acting on the event is wrong."""
    causation_id: UUID | None = None

    @computed_field  # type: ignore[prop-decorator] # pydantic's documented way
    @property
    def event_id(self) -> UUID:
        """The same on every retry and replay of this fact."""
        return ids.event_id(self.type, self.subject, self.version)

    @property
    def key(self) -> str:
        """The record key: everything about one key is handled in order. Never personal."""
        return str(self.subject)

    def expired(self, now: datetime) -> bool:
        """Whether acting on this is wrong at `now`."""
        return self.not_after is not None and now >= self.not_after
