"""What the portal reads: rows of pages as values. Rules about them live beside the pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from services.registry.domain.records import Gender, Mode, Unit
from services.registry.domain.states import State
from shared.errors import Invalid
from shared.events import Label, Language


class BadCursor(Invalid):
    """This is not a place in the changes."""

    code = "bad_cursor"


class Cursor(NamedTuple):
    """A place in the changes: transaction, then row. Ordered; the same on every replica."""

    tx: int
    id: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `<tx>-<id>`. Raises BadCursor."""
        tx, dash, row = text.partition("-")
        if not (dash and tx.isascii() and tx.isdigit() and row.isascii() and row.isdigit()) or len(text) > 40:
            raise BadCursor
        return cls(int(tx), int(row))


START = Cursor(0, 0)
"""Before the first change."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that open pages must redraw."""

    cursor: Cursor
    organisation_id: UUID
    unit_id: UUID | None
    appointment_id: UUID | None
    kind: str
    at: datetime
    traceparent: str | None = None
    """W3C trace context of what made it."""


@dataclass(frozen=True, slots=True)
class SeatRow:
    """A seat with its holder, else with the last who refused, was locked or let it run out."""

    unit_id: UUID
    post: str
    post_label: Label
    of: int
    ordinal: int
    appointment_id: UUID | None
    state: State | None
    state_at: datetime | None
    mode: Mode | None
    person: Label | None
    gender: Gender | None
    delivery: str | None
    reason: str | None
    delivery_at: datetime | None


@dataclass(frozen=True, slots=True)
class CountsRow:
    """Seats and committees."""

    size: int = 0
    verified: int = 0
    waiting: int = 0
    refused: int = 0
    committees: int = 0
    complete: int = 0


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A unit with the counts of all committees below it (its own included)."""

    unit: Unit
    has_committee: bool
    leaf: bool
    counts: CountsRow


@dataclass(frozen=True, slots=True)
class Coverage:
    """A page of units, worst first, and the sums over all pages."""

    rows: Sequence[CoverageRow]
    total: int
    sums: CountsRow


@dataclass(frozen=True, slots=True)
class Course:
    """An appointment and everything around it."""

    id: UUID
    unit: Unit
    post: str
    post_label: Label
    of: int
    seat: int
    person: Label | None
    phone_last3: str | None
    state: State
    state_at: datetime
    cycle: int
    version: int
    mode: Mode
    language: Language
    recorder: str
    recorded_at: datetime
    not_after: datetime
    verified_at: datetime | None
    name_consent: bool
    notice_version: str
    notice_language: Language
    ended_reason: str | None
    seat_held: bool
