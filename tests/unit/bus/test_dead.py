"""Dead letters, written and read back."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.bus import DeadLetter, Place, Received
from shared.errors import Conflict
from tests.contract.bus.scenery import NOW

_BYTES = st.none() | st.binary(max_size=40)
_HEADERS = st.lists(st.tuples(st.text(max_size=10), _BYTES), max_size=5).map(tuple)
_RECORDS = st.builds(
    Received,
    st.just(Place("registry.people", 3)),
    st.integers(0, 2**40),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 # zone is beside
    _BYTES,
    _BYTES,
    _HEADERS,
)


def _read_back(letter: DeadLetter) -> DeadLetter | None:
    out = letter.outgoing()
    return DeadLetter.read(Received(Place(out.topic, 0), 9, NOW, out.key, out.value, out.headers))


@given(_RECORDS)
def test_a_dead_letter_keeps_key_value_and_headers_to_the_byte(record: Received) -> None:
    letter = DeadLetter.of(record, KeyError("9876543210"), group="otp", attempts=3, at=NOW)
    assert _read_back(letter) == letter
    assert letter.outgoing().headers[: len(record.headers)] == record.headers


@given(_RECORDS)
def test_a_dead_letter_can_be_written_since_key_or_value_is_given(record: Received) -> None:
    out = DeadLetter.of(record, KeyError(), group="otp", attempts=1, at=NOW).outgoing()
    assert out.topic == "registry.people.dead"
    assert out.key is not None or out.value is not None


def test_a_dead_letter_says_why_without_the_text_of_the_exception() -> None:
    record = Received(Place("registry.people", 3), 17, NOW, b"k", b"v", ())
    letter = DeadLetter.of(record, ValueError("phone 9876543210"), group="otp", attempts=2, at=NOW, seconds=1.25)
    headers = dict(letter.outgoing().headers)
    assert {name: value.decode() for name, value in headers.items() if value is not None} == {
        "x-dead-reason": "ValueError",
        "x-dead-topic": "registry.people",
        "x-dead-partition": "3",
        "x-dead-offset": "17",
        "x-dead-timestamp": NOW.isoformat(),
        "x-dead-group": "otp",
        "x-dead-attempts": "2",
        "x-dead-seconds": "1.25",
        "x-dead-at": NOW.isoformat(),
        "x-dead-error": "ValueError",
    }


def test_the_reason_of_a_failure_is_its_code() -> None:
    record = Received(Place("registry.people", 3), 17, NOW, b"k", b"v", ())
    letter = DeadLetter.of(record, Conflict(), group="otp", attempts=1, at=NOW)
    assert (letter.reason, letter.error) == ("conflict", "Conflict")


def test_a_foreign_record_in_a_dead_letter_topic_is_not_a_dead_letter() -> None:
    record = Received(Place("registry.people.dead", 0), 1, NOW, b"k", b"v", (("x-dead-offset", b"\xff"),))
    assert DeadLetter.read(record) is None
    letter = DeadLetter.of(replace(record, headers=()), KeyError(), group="g", attempts=1, at=NOW).outgoing()
    broken = tuple((name, b"many" if name == "x-dead-attempts" else value) for name, value in letter.headers)
    assert DeadLetter.read(replace(record, headers=broken)) is None
