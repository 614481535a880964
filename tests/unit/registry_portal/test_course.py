"""The course of an appointment in plain words, and what may be done about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.registry.api.portal.course import AppointmentView, appointment_view
from services.registry.api.portal.rendering import LOCALE
from services.registry.domain.portal import Course
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.records import TimelineEntry, Unit
from services.registry.domain.states import State
from shared.events import Label
from shared.i18n import load

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
UNIT = Unit(UUID(int=1), "booth", Label(hi="बूथ", en="Booth"), "155-1", "1", None, "School")
RECORDER = Principal(UUID(int=2), UUID(int=3), "Sunita", frozenset(Permission))
READER = replace(RECORDER, permissions=frozenset({Permission.READ}))
CATALOGUES = load(LOCALE)
COURSE = Course(
    id=UUID(int=4),
    unit=UNIT,
    post="president",
    post_label=Label(hi="अध्यक्ष", en="President"),
    of=1,
    seat=1,
    person=Label(hi="अनीता", en="Anita"),
    phone_last3="210",
    state=State.RECORDED,
    state_at=NOW,
    cycle=1,
    version=1,
    mode="live",
    language="hi",
    recorder="Sunita",
    recorded_at=NOW,
    not_after=NOW + timedelta(days=7),
    verified_at=None,
    name_consent=False,
    notice_version="2026-11",
    notice_language="hi",
    ended_reason=None,
    seat_held=True,
)


def message(state: str, seconds: int, channel: str = "sms", **details: object) -> TimelineEntry:
    """What became of the invitation."""
    known: dict[str, object] = {"template": "invitation", "channel": channel, "reason": None, "falls_back": False}
    return TimelineEntry(f"message_{state}", NOW + timedelta(seconds=seconds), 1, known | details)


RECORDED = TimelineEntry("recorded", NOW, 1, {"recorder": "Sunita", "mode": "live"})
VERIFIED = TimelineEntry("verified", NOW + timedelta(minutes=5), 1, {"via": "web", "name_consent": False})


def shown(course: Course, *entries: TimelineEntry, principal: Principal = RECORDER) -> AppointmentView:
    """The English page."""
    return appointment_view(course, (), entries, principal, catalogue=CATALOGUES["en"], language="en")


def test_a_course_reads_as_it_happened() -> None:
    course = replace(COURSE, state=State.VERIFIED, verified_at=NOW)
    opened = TimelineEntry("opened", NOW, 1, {})
    view = shown(course, RECORDED, opened, message("accepted", 1, parts=3), message("delivered", 7), VERIFIED)
    assert [(step.status, step.text, step.who, step.gap, step.remark) for step in view.steps] == [
        ("recorded", "Recorded", "Sunita", "", ""),
        ("sent", "Sent by SMS", "", "1 second later", "3 SMS parts"),
        ("delivered", "Delivered to the phone", "", "6 seconds later", ""),
        ("verified", "Verified on the web page", "", "4 minutes later", ""),
    ]


@pytest.mark.parametrize(
    ("members", "channel", "says"),
    [(2, False, "2 members"), (1, True, "1 member, the channel"), (0, True, "the channel")],
)
def test_an_announcement_says_who_was_told(members: int, channel: bool, says: str) -> None:
    told = TimelineEntry("announced", NOW, 1, {"members": members, "channel": channel})
    assert shown(COURSE, RECORDED, told).steps[1].remark == says


@pytest.mark.parametrize("state", [State.REFUSED, State.ENDED])
def test_a_seat_is_called_free_only_while_it_is(state: State) -> None:
    assert shown(replace(COURSE, state=state, seat_held=False)).sentence.endswith("The seat is free.")
    assert "free" not in shown(replace(COURSE, state=state, seat_held=True)).sentence


def test_a_failed_telegram_that_falls_back_is_followed_by_the_sms() -> None:
    failed = message("failed", 1, "telegram", reason="blocked", falls_back=True)
    view = shown(COURSE, RECORDED, failed, message("accepted", 2))
    assert view.steps[1].remark == "the phone or the person blocks our messages; the next way is tried at once"
    assert view.status == "sent"


def test_what_is_still_to_come_is_pending_with_what_it_waits_for() -> None:
    view = shown(COURSE, RECORDED)
    assert [(step.text, step.pending) for step in view.steps[1:]] == [("Invitation", True), ("Confirmation", True)]
    assert view.steps[2].remark == "waits for the person, until Tuesday, 1 Dec, 2:30 pm"


@pytest.mark.parametrize(
    ("state", "seat_held", "acts"),
    [
        (State.RECORDED, True, (True, False, True, False)),
        (State.VERIFIED, True, (False, False, True, False)),
        (State.REFUSED, False, (True, False, True, True)),
        (State.REFUSED, True, (True, False, True, False)),
        (State.LOCKED, False, (True, True, True, True)),
        (State.EXPIRED, False, (True, True, True, True)),
        (State.ENDED, False, (False, False, False, True)),
    ],
)
def test_only_what_may_be_done_is_offered(state: State, seat_held: bool, acts: tuple[bool, bool, bool, bool]) -> None:
    course = replace(COURSE, state=state, seat_held=seat_held)
    view = shown(course, RECORDED)
    assert (view.may_correct, view.may_reissue, view.may_end, view.refill_path is not None) == acts
    reader = shown(course, RECORDED, principal=READER)
    assert [reader.may_correct, reader.may_reissue, reader.may_end] == [False, False, False]
    assert reader.refill_path is None


def test_a_confirmation_of_something_ended_is_told_as_too_late() -> None:
    late = TimelineEntry("verified", NOW, 1, {"via": "sms", "too_late": True})
    view = shown(replace(COURSE, state=State.ENDED, seat_held=False), RECORDED, late)
    assert view.steps[1].text == "Confirmed too late; the person was told so"


def test_an_erased_person_leaves_no_act_but_a_free_seat() -> None:
    view = shown(replace(COURSE, state=State.ENDED, person=None, phone_last3=None, seat_held=False), RECORDED)
    assert [view.may_correct, view.may_reissue, view.may_end] == [False, False, False]
