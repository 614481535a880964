"""What the page offers, as a rule."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.otp.domain.challenge import Glimpse
from services.otp.domain.page import plain, step
from services.otp.domain.policy import Policy, contact_is_fresh, invitation_ends, milliseconds, moment_of

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def glimpse(**fields: Any) -> Glimpse:
    """A challenge that may be asked about."""
    values: dict[str, Any] = {
        "challenge": UUID(int=1), "appointment": UUID(int=2), "cycle": 1, "is_open": True,
        "not_after": NOW + timedelta(days=7), "has_code": False, "code_not_after": NOW, "asked_before": False,
        "guesses_left": 5, "sends_left": 5, "ask_at": NOW, "asking": "{}", "page": "", "answer": None,
    }  # fmt: skip
    return Glimpse(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        ({"has_code": True}, "enter"),
        ({"has_code": True, "sends_left": 0}, "enter"),
        ({}, "ask"),
        ({"ask_at": NOW + timedelta(seconds=1)}, "wait"),
        ({"sends_left": 0}, "exhausted"),
        ({"ask_at": NOW + timedelta(days=7)}, "exhausted"),
    ],
)
def test_one_step_is_offered(fields: dict[str, Any], offered: str) -> None:
    assert step(glimpse(**fields), NOW) == offered


def test_names_lose_direction_marks_and_keep_the_joiners_of_hindi() -> None:
    assert plain("क्\u200dष\u202eabc\u0000\u2066\u200b\ufeff") == "क्\u200dषabc"


@pytest.mark.parametrize(
    ("stated", "ends"),
    [(None, 7 * 24), (timedelta(days=3), 3 * 24), (timedelta(days=30), 7 * 24), (timedelta(hours=-1), -1)],
)
def test_an_invitation_ends_after_seven_days_at_most(stated: timedelta | None, ends: int) -> None:
    assert invitation_ends(NOW + stated if stated else None, NOW, Policy()) == NOW + timedelta(hours=ends)


def test_a_contact_is_fresh_for_90_days() -> None:
    assert contact_is_fresh(NOW - timedelta(days=90), NOW, Policy())
    assert not contact_is_fresh(NOW - timedelta(days=90, seconds=1), NOW, Policy())


def test_time_goes_to_scripts_and_back_unchanged() -> None:
    assert moment_of(milliseconds(NOW)) == NOW
