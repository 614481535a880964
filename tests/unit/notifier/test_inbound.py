"""What an SMS from a person means."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.domain.inbound import Kind, may_answer, understand, worth_saying
from shared import ids
from shared.events import Outcome, Result

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("482107", Kind.CODE, "482107"),
        (" 482107. ", Kind.CODE, "482107"),
        ("४८२१०७", Kind.CODE, "482107"),
        ("१२३ ४५६", Kind.CODE, "123456"),
        ("482 107", Kind.CODE, "482107"),
        ("4-8-2-1-0-7", Kind.CODE, "482107"),
        ("mera code 482107 hai", Kind.CODE, "482107"),
        ("Code 482107, 10 minute", Kind.CODE, "482107"),
        ("\u200b482\u200d107", Kind.CODE, "482107"),
        ("012345", Kind.CODE, "012345"),
        ("हाँ: 482107", Kind.CODE, "482107"),
        ("NO 482107", Kind.REFUSAL, "482107"),
        ("नहीं: NO 482107", Kind.REFUSAL, "482107"),
        ("No, 482 107", Kind.REFUSAL, "482107"),
        ("no482107", Kind.REFUSAL, "482107"),
        ("नहीं ४८२१०७", Kind.REFUSAL, "482107"),
        ("नही 482107", Kind.REFUSAL, "482107"),
        ("मना 482107", Kind.REFUSAL, "482107"),
        ("NO", Kind.REFUSAL_WITHOUT_CODE, None),
        ("नहीं", Kind.REFUSAL_WITHOUT_CODE, None),
        ("STOP", Kind.STOP, None),
        ("stop.", Kind.STOP, None),
        ("रोकें", Kind.STOP, None),
        ("बंद करें", Kind.STOP, None),
        ("START", Kind.START, None),
        ("शुरू", Kind.START, None),
        ("", Kind.HELP, None),
        ("hello", Kind.HELP, None),
        ("48210", Kind.HELP, None),
        ("4821077", Kind.HELP, None),
        ("9812345678", Kind.HELP, None),
        ("482107 482108", Kind.HELP, None),
        ("482107, 482108", Kind.HELP, None),
    ],
)
def test_a_text_means(text: str, kind: Kind, code: str | None) -> None:
    meaning = understand(text)
    assert (meaning.kind, meaning.code) == (kind, code)


@pytest.mark.parametrize(
    "text", ["482107 no", "stop 482107", "code nahi aaya 482107", "482107 नहीं", "I do not want 482107"]
)
def test_a_code_beside_a_word_of_refusal_never_confirms(text: str) -> None:
    assert understand(text).kind in {Kind.HELP, Kind.REFUSAL}


def test_stop_with_a_code_is_neither_an_opt_out_nor_a_refusal() -> None:
    assert understand("stop 482107").kind is Kind.HELP


def test_the_providers_word_for_an_opt_out_counts() -> None:
    assert understand("whatever", "STOP").kind is Kind.STOP
    assert understand("whatever", "START").kind is Kind.START


def test_a_meaning_does_not_show_its_code() -> None:
    assert "482107" not in repr(understand("482107"))


def _outcome(result: Result) -> Outcome:
    return Outcome(challenge_id=ids.new_id(), appointment_id=ids.new_id(), result=result)


def test_what_changed_is_told_before_what_did_not() -> None:
    outcomes = (_outcome(Result.OVER), _outcome(Result.WRONG), _outcome(Result.VERIFIED))
    told = worth_saying(outcomes)
    assert told is not None
    assert told.result is Result.VERIFIED
    assert worth_saying(()) is None


def test_helps_are_capped_earlier_than_answers_about_codes() -> None:
    three = [(NOW - timedelta(minutes=n), "help") for n in range(3)]
    assert not may_answer("help", three, NOW)
    assert may_answer("wrong", three, NOW)


def test_answers_are_capped_per_hour_and_day() -> None:
    assert not may_answer("wrong", [(NOW - timedelta(minutes=1), "wrong")] * 10, NOW)
    assert may_answer("wrong", [(NOW - timedelta(hours=2), "wrong")] * 10, NOW)
    assert not may_answer("wrong", [(NOW - timedelta(hours=2), "wrong")] * 30, NOW)
