"""What operators see, and what they do not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.console.domain import (
    HIDDEN,
    DeadDetail,
    Pace,
    RecordRow,
    Sample,
    duration,
    grouped,
    lag_rows,
    matches,
    shown,
    topic_rows,
)
from shared import events
from shared.bus import Lag, Place

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
APPOINTMENT = UUID(int=2)
LABEL = events.Label(en="Booth 223", hi="बूथ 223")
SEALED = "s1.registry/1.notifier/1." + "A" * 64
RECORDED = events.AppointmentRecorded(
    organisation_id=UUID(int=1),
    subject=APPOINTMENT,
    version=1,
    at=NOW,
    cycle=1,
    organisation=LABEL,
    unit=events.UnitRef(id=UUID(int=3), code="B223", label=LABEL),
    post=events.PostRef(code="president", label=LABEL),
    language="hi",
    mode="live",
    fingerprints={"1": "ab" * 32},
    phone_last3="210",
    for_otp=SEALED,
    for_notifier=SEALED,
    notice=events.Notice(version="1", language="hi", at=NOW),
    recorded_at=NOW,
)


def test_sealed_fields_are_shown_as_sealed_and_fingerprints_not_at_all() -> None:
    fields = shown(RECORDED)
    assert fields["for_notifier"] == "sealed, registry → notifier"
    assert fields["fingerprints"] == fields["phone_last3"] == HIDDEN
    assert fields["unit.label.en"] == "Booth 223"
    assert "ab" * 32 not in str(fields)


def test_growth_is_measured_between_two_samples() -> None:
    place = Place("otp.challenges", 0)
    before = Sample(NOW, {place: 10})
    after = Sample(NOW + timedelta(seconds=2), {place: 30, Place("otp.challenges.dead", 0): 4})
    (row,) = topic_rows(after, before)
    assert (row.records, row.per_second, row.dead, row.partitions) == (30, 10.0, 4, 1)
    assert topic_rows(after, None)[0].per_second is None


def test_lag_of_a_topic_is_the_sum_of_records_and_the_oldest_wait() -> None:
    lags = [
        Lag("otp", Place("registry.appointments", 0), 5, 8, NOW - timedelta(seconds=4)),
        Lag("otp", Place("registry.appointments", 1), 9, 9, None),
        Lag("otp", Place("notifier.replies", 0), 1, 2, NOW - timedelta(seconds=9)),
    ]
    rows = lag_rows(lags, NOW)
    assert [(row.topic, row.records, row.seconds) for row in rows] == [
        ("registry.appointments", 3, 4.0),
        ("notifier.replies", 1, 9.0),
    ]


@pytest.mark.parametrize(("wanted", "seen"), [(None, True), (str(APPOINTMENT), True), (str(UUID(int=9)), False)])
def test_a_tail_follows_one_appointment(wanted: str | None, seen: bool) -> None:
    row = RecordRow(
        at=NOW, topic="t", partition=0, offset=1, key="k", event="e", fields={"appointment_id": str(APPOINTMENT)}
    )
    assert matches(row, wanted) is seen


def test_a_filter_sees_only_what_is_shown() -> None:
    row = RecordRow(at=NOW, topic="t", partition=0, offset=1, key="k", event="e", fields=shown(RECORDED))
    assert not matches(row, "210")
    assert not matches(row, "ab" * 32)


def letter(reason: str, minutes: int, offset: int) -> DeadDetail:
    return DeadDetail(
        place=f"otp.challenges.dead/0/{offset}",
        reason=reason,
        error="Seal",
        group="registry",
        attempts=1,
        failed_at=NOW + timedelta(minutes=minutes),
        origin="otp.challenges/3/7",
        event="e",
        key="k",
        size=1,
        fields={},
        advice="",
    )


def test_dead_letters_are_grouped_by_cause_the_most_first_with_the_newest_to_look_at() -> None:
    rows = grouped([letter("seal", 0, 1), letter("undecodable", 1, 2), letter("undecodable", 5, 3)])
    assert [(row.reason, row.count) for row in rows] == [("undecodable", 2), ("seal", 1)]
    assert rows[0].latest == "otp.challenges.dead/0/3"
    assert rows[0].topic == "otp.challenges"


def test_more_than_a_person_can_read_is_counted_and_told_with_the_next_second() -> None:
    pace = Pace(2, NOW)
    assert [pace.admit(NOW) for _ in range(5)] == [(True, 0), (True, 0), (False, 0), (False, 0), (False, 0)]
    assert pace.admit(NOW + timedelta(seconds=1)) == (True, 3)
    assert pace.admit(NOW + timedelta(seconds=2)) == (True, 0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119.4, "119 s"), (120, "2 min"), (1800, "30 min"), (7200, "2 h"), (172_800, "2 days")],
)
def test_a_wait_is_said_as_exactly_as_a_person_needs_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said
