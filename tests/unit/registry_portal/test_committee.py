"""A committee's page: what each seat shows, what is counted, and what is still missing, in sentences."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.registry.api.portal.committee import CommitteeView, committee, status_of
from services.registry.api.portal.rendering import LOCALE
from services.registry.domain.portal import SeatRow
from services.registry.domain.records import Unit
from services.registry.domain.states import State
from shared.events import Label
from shared.i18n import load

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
UNIT = Unit(UUID(int=1), "booth", Label(hi="बूथ", en="Booth"), "155-1", "1", None, "School")
CATALOGUES = load(LOCALE)


def seat(post: str, ordinal: int = 1, state: State | None = None, delivery: str | None = None) -> SeatRow:
    """A seat, held by Anita unless `state` is None."""
    held = state is not None
    return SeatRow(
        unit_id=UNIT.id,
        post=post,
        post_label=Label(hi=post, en=post.title()),
        of=1,
        ordinal=ordinal,
        appointment_id=UUID(int=7) if held else None,
        state=state,
        state_at=NOW if held else None,
        mode="live" if held else None,
        person=Label(hi="अनीता", en="Anita") if held else None,
        gender="female" if held else None,
        delivery=delivery,
        reason="unreachable" if delivery == "failed" else None,
        delivery_at=NOW if delivery else None,
    )


def view(*seats: SeatRow, women: int | None = None) -> CommitteeView:
    """The English page."""
    return committee(UNIT, seats, women, CATALOGUES["en"], "en")


@pytest.mark.parametrize(
    ("state", "delivery", "shown"),
    [
        (None, None, "vacant"),
        (State.RECORDED, None, "recorded"),
        (State.RECORDED, "accepted", "sent"),
        (State.RECORDED, "unknown", "sent"),
        (State.RECORDED, "delivered", "delivered"),
        (State.RECORDED, "failed", "failed"),
        (State.VERIFIED, "failed", "verified"),
        (State.REFUSED, "delivered", "refused"),
        (State.LOCKED, None, "locked"),
        (State.EXPIRED, "accepted", "expired"),
    ],
)
def test_a_seat_shows_its_state_and_while_it_waits_its_message(
    state: State | None, delivery: str | None, shown: str
) -> None:
    assert status_of(seat("president", state=state, delivery=delivery)) == shown


def test_figures_count_held_and_verified_seats() -> None:
    shown = view(
        seat("a", state=State.VERIFIED),
        seat("b", state=State.RECORDED, delivery="failed"),
        seat("c", state=State.REFUSED),
        seat("d"),
    )
    assert (shown.size, shown.verified, shown.waiting, shown.appointed) == (4, 1, 1, 2)


def test_each_lack_is_a_sentence_with_a_way_on() -> None:
    shown = view(
        seat("a"),
        seat("b", state=State.REFUSED),
        seat("c", state=State.EXPIRED),
        seat("d", state=State.LOCKED),
        seat("e", state=State.RECORDED, delivery="failed"),
        seat("f", state=State.RECORDED, delivery="delivered"),
    )
    appointment = f"/appointments/{UUID(int=7)}"
    assert [(lack.text, [link.href for link in lack.links]) for lack in shown.missing] == [
        ("Seat 1 (A) is vacant", ["/units/155-1/record?post=a"]),
        ("Seat 2: Anita refused", ["/units/155-1/record?post=b"]),
        ("Seat 3: Anita did not answer in time", [f"{appointment}/reissue"]),
        ("Seat 4: locked after too many wrong codes from Anita", [f"{appointment}/reissue"]),
        ("Seat 5: the message to Anita did not arrive", [f"{appointment}/phone"]),
        ("1 person has not answered yet", ["#seat-6"]),
    ]


def test_many_vacant_seats_are_one_sentence_with_each_post_once() -> None:
    shown = view(seat("a"), seat("m", 1), seat("m", 2), seat("m", 3))
    assert shown.missing[0].text == "4 seats are vacant"
    assert [link.text for link in shown.missing[0].links] == ["A", "M"]


def test_missing_women_are_told_and_only_verified_ones_count() -> None:
    rows = [seat("a", state=State.VERIFIED), seat("b", state=State.RECORDED), seat("c")]
    shown = view(*rows, women=3)
    assert (shown.women, shown.women_needed) == (1, 3)
    assert "2 more women must confirm a seat" in [lack.text for lack in shown.missing]
    assert view(seat("a", state=State.VERIFIED), women=1).missing == ()


def test_hindi_sentences_are_hindi() -> None:
    shown = committee(UNIT, [seat("a", state=State.REFUSED)], None, CATALOGUES["hi"], "hi")
    assert shown.missing[0].text == "पद 1: अनीता ने मना किया"
