"""The contract: ids, keys, and what the codec does with good and bad records."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import events, ids
from shared.events.catalogue import CONTRACT, EVENTS, GROUPS, TOPICS
from shared.events.codec import Undecodable, UnknownType, UnknownVersion, decode, encode, event_type, traceparent

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ORGANISATION, APPOINTMENT = UUID(int=1), UUID(int=2)
ENDED = events.AppointmentEnded(
    organisation_id=ORGANISATION, subject=APPOINTMENT, version=3, at=NOW, cycle=1, reason="mistake"
)


def header(name: str, headers: events.codec.Headers) -> bytes | None:
    return dict(headers)[name]


def test_every_topic_carries_an_event_and_every_event_has_a_consumer() -> None:
    assert {topic for entry in CONTRACT for topic in entry.topics} == set(TOPICS)
    assert all(entry.consumers for entry in CONTRACT)


def test_the_groups_read_exactly_what_their_services_consume() -> None:
    read = {(group.partition("-")[0], topic) for group, topics in GROUPS.items() for topic in topics}
    assert read == {(consumer, topic) for entry in CONTRACT for consumer in entry.consumers for topic in entry.topics}


def test_type_names_carry_their_major_version_and_are_unique() -> None:
    assert len(EVENTS) == len(CONTRACT)
    assert all(name.rpartition(".v")[2].isdigit() for name in EVENTS)


def test_the_same_fact_has_the_same_event_id_on_every_retry() -> None:
    again = ENDED.model_copy(update={"at": NOW + timedelta(hours=1)})
    assert again.event_id == ENDED.event_id == ids.event_id("appointment.ended.v1", APPOINTMENT, 3)
    assert ENDED.model_copy(update={"version": 4}).event_id != ENDED.event_id


def test_an_event_survives_the_wire() -> None:
    record = encode(ENDED)
    assert decode(record.value, record.headers) == ENDED
    assert (record.topic, record.key) == ("registry.appointments", str(APPOINTMENT).encode())


def test_the_headers_are_cloudevents_in_binary_mode() -> None:
    headers = encode(ENDED).headers
    assert header("ce_specversion", headers) == b"1.0"
    assert header("ce_id", headers) == str(ENDED.event_id).encode()
    assert header("ce_type", headers) == b"appointment.ended.v1"


def test_unknown_fields_are_ignored_so_that_events_can_grow() -> None:
    record = encode(ENDED)
    grown = record.value.replace(b"{", b'{"added_later": 1, ', 1)
    assert decode(grown, record.headers) == ENDED


def test_an_unknown_type_is_told_apart_from_an_unknown_version() -> None:
    with pytest.raises(UnknownType):
        decode(b"{}", [("ce_type", b"unit.split.v1")])
    with pytest.raises(UnknownVersion):
        decode(b"{}", [("ce_type", b"appointment.ended.v2")])


@pytest.mark.parametrize(
    "headers",
    [(), (("ce_type", None),), (("ce_type", b"\xff"),), (("ce_type", b"x"),), (("ce_type", b"a b.v1"),), (("", b""),)],
)
def test_bad_headers_are_undecodable(headers: events.codec.Headers) -> None:
    with pytest.raises(Undecodable):
        decode(b"{}", headers)


@given(st.binary(max_size=200) | st.none())
def test_no_value_breaks_decoding_in_another_way(value: bytes | None) -> None:
    with pytest.raises(Undecodable):
        decode(value, [("ce_type", b"appointment.ended.v1")])


def test_what_is_wrong_is_said_without_the_value() -> None:
    record = encode(ENDED)
    poisoned = record.value.replace(b'"mistake"', b'"+915550000210"')
    with pytest.raises(Undecodable) as failure:
        decode(poisoned, record.headers)
    assert "reason" in failure.value.message
    assert "555" not in failure.value.message


@pytest.mark.parametrize("raw", [b"", b"garbage", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-zz", b"\xff\xfe"])
def test_a_garbage_traceparent_is_no_trace(raw: bytes) -> None:
    assert traceparent([("traceparent", raw)]) is None


def test_the_trace_travels_in_a_header() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    assert traceparent(encode(ENDED, trace).headers) == trace
    assert event_type(encode(ENDED, trace).headers) == "appointment.ended.v1"


def test_a_message_goes_to_the_topic_of_its_lane() -> None:
    def request(lane: events.Lane) -> events.MessageRequested:
        label = events.Label(en="Booth 1")
        return events.MessageRequested(
            organisation_id=ORGANISATION,
            subject=UUID(int=3),
            version=1,
            at=NOW,
            lane=lane,
            recipient=events.ChannelPost(unit_id=UUID(int=4), chat_id=-100),
            language="hi",
            text=events.AnnouncementText(
                organisation=label,
                unit=events.UnitRef(id=UUID(int=4), code="B1", label=label),
                post=events.PostRef(code="president", label=label),
            ),
        )

    assert encode(request(events.Lane.URGENT)).topic == "notifier.urgent"
    assert encode(request(events.Lane.BULK)).topic == "notifier.bulk"


def test_a_label_shows_the_other_script_when_one_is_missing() -> None:
    assert events.Label(hi="बूथ 1").text("en") == "बूथ 1"
    with pytest.raises(ValueError, match="script"):
        events.Label()
