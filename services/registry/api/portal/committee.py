"""A committee as its page shows it: seats with their state, figures, and what is still missing, in sentences."""

import gettext as catalogues
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from services.registry.api.portal import words
from services.registry.domain.portal import SeatRow
from services.registry.domain.records import Unit
from services.registry.domain.states import State
from shared.events import Label

LIST_VACANT = 3
"""Up to here each vacant seat has its own sentence; above, one sentence lists them."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a sentence leads."""

    href: str
    text: str


@dataclass(frozen=True, slots=True)
class Lack:
    """A sentence about what is missing, and what to do about it."""

    text: str
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class SeatView:
    """A seat's card."""

    anchor: str
    number: int
    post: Label
    post_code: str
    ordinal: int
    of: int
    status: str
    person: Label | None
    appointment_id: UUID | None
    at: datetime | None
    remark: str
    record_path: str

    @property
    def vacant(self) -> bool:
        """Whether nobody was ever asked, or the last one was ended."""
        return self.status == "vacant"


@dataclass(frozen=True, slots=True)
class CommitteeView:
    """All seats, counted."""

    seats: tuple[SeatView, ...]
    women: int
    women_needed: int
    missing: tuple[Lack, ...]

    def _count(self, *statuses: str) -> int:
        return sum(seat.status in statuses for seat in self.seats)

    @property
    def size(self) -> int:
        """Seats there are: 12 for a booth."""
        return len(self.seats)

    @property
    def verified(self) -> int:
        """Seats whose holders confirmed."""
        return self._count("verified")

    @property
    def waiting(self) -> int:
        """Seats whose holders were asked and can still answer."""
        return self._count("recorded", "sent", "delivered", "failed")

    @property
    def appointed(self) -> int:
        """Seats that are held."""
        return self.verified + self.waiting


def status_of(seat: SeatRow) -> str:
    """The state that a card shows: the appointment's; while it waits, how far its invitation came."""
    if seat.state is None:
        return "vacant"
    if seat.state is not State.RECORDED:
        return seat.state.value
    return {"accepted": "sent", "unknown": "sent", "delivered": "delivered", "failed": "failed"}.get(
        seat.delivery or "", "recorded"
    )


def committee(
    unit: Unit,
    rows: Sequence[SeatRow],
    women_minimum: int | None,
    catalogue: catalogues.NullTranslations,
    language: str,
) -> CommitteeView:
    """The committee of `unit` in words of `language`. `rows` are its seats in the fixed order."""
    seats = tuple(_seat(unit, number, row, catalogue) for number, row in enumerate(rows, start=1))
    women = sum(row.state is State.VERIFIED and row.gender == "female" for row in rows)
    needed = women_minimum or 0
    missing = (
        *_of_seats(seats, catalogue, language),
        *_of_women(needed - women, seats, catalogue),
        *_of_waiting(seats, catalogue),
    )
    return CommitteeView(seats, women, needed, missing)


def record_path(unit: Unit, post: str) -> str:
    """Where an appointment to this post is recorded."""
    return f"/units/{unit.code}/record?{urlencode({'post': post})}"


def _seat(unit: Unit, number: int, row: SeatRow, catalogue: catalogues.NullTranslations) -> SeatView:
    status = status_of(row)
    follows = status in {"sent", "delivered", "failed"}
    return SeatView(
        anchor=f"seat-{number}",
        number=number,
        post=row.post_label,
        post_code=row.post,
        ordinal=row.ordinal,
        of=row.of,
        status=status,
        person=row.person,
        appointment_id=row.appointment_id,
        at=row.delivery_at if follows else row.state_at,
        remark=words.reason_words(row.reason, catalogue.gettext) if status == "failed" else "",
        record_path=record_path(unit, row.post),
    )


def _of_seats(seats: Sequence[SeatView], catalogue: catalogues.NullTranslations, language: str) -> Sequence[Lack]:
    _ = catalogue.gettext
    vacant = [seat for seat in seats if seat.vacant]
    lacks = [lack for seat in seats if (lack := _of_seat(seat, catalogue, language))]
    if len(vacant) > LIST_VACANT:
        text = catalogue.ngettext("%(num)s seat is vacant", "%(num)s seats are vacant", len(vacant)) % {
            "num": len(vacant)
        }
        posts = {seat.post_code: seat for seat in vacant}
        links = tuple(Link(seat.record_path, seat.post.text(language)) for seat in posts.values())
        return [Lack(text, links), *lacks]
    add = _("add a person")
    return [
        *(
            Lack(
                _("Seat %(number)s (%(post)s) is vacant") % {"number": seat.number, "post": seat.post.text(language)},
                (Link(seat.record_path, add),),
            )
            for seat in vacant
        ),
        *lacks,
    ]


def _of_seat(seat: SeatView, catalogue: catalogues.NullTranslations, language: str) -> Lack | None:
    _ = catalogue.gettext
    fill = {"number": seat.number, "name": seat.person.text(language) if seat.person else ""}
    here = f"/appointments/{seat.appointment_id}"
    match seat.status:
        case "refused":
            return Lack(
                _("Seat %(number)s: %(name)s refused") % fill, (Link(seat.record_path, _("choose another person")),)
            )
        case "expired":
            return Lack(
                _("Seat %(number)s: %(name)s did not answer in time") % fill,
                (Link(f"{here}/reissue", _("issue the invitation again")),),
            )
        case "locked":
            return Lack(
                _("Seat %(number)s: locked after too many wrong codes from %(name)s") % fill,
                (Link(f"{here}/reissue", _("issue the invitation again")),),
            )
        case "failed":
            return Lack(
                _("Seat %(number)s: the message to %(name)s did not arrive") % fill,
                (Link(f"{here}/phone", _("correct the phone number")),),
            )
        case _:
            return None


def _of_women(lacking: int, seats: Sequence[SeatView], catalogue: catalogues.NullTranslations) -> Sequence[Lack]:
    if lacking <= 0:
        return ()
    text = catalogue.ngettext(
        "%(num)s more woman must confirm a seat", "%(num)s more women must confirm a seat", lacking
    ) % {"num": lacking}
    free = next((seat for seat in seats if seat.vacant), None)
    return (Lack(text, (Link(free.record_path, catalogue.gettext("add a person")),) if free else ()),)


def _of_waiting(seats: Sequence[SeatView], catalogue: catalogues.NullTranslations) -> Sequence[Lack]:
    asked = [seat for seat in seats if seat.status in {"recorded", "sent", "delivered"}]
    if not asked:
        return ()
    text = catalogue.ngettext(
        "%(num)s person has not answered yet", "%(num)s people have not answered yet", len(asked)
    ) % {"num": len(asked)}
    return (Lack(text, tuple(Link(f"#{seat.anchor}", str(seat.number)) for seat in asked)),)
