"""Our records are CloudEvents 1.0 in Kafka's binary mode: the SDK reads ours, and we read the SDK's."""

from datetime import UTC, datetime, timedelta, timezone

import orjson
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from shared.events import Event, Label, decode, encode, topic_of
from shared.events.catalogue import CONTRACT
from shared.events.examples import examples

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event of the contract, with any version, moments and names."""
    event = draw(st.sampled_from([example for entry in CONTRACT for example in examples(entry.event)]))
    changed: dict[str, object] = {
        "version": draw(st.integers(1, 2**53)),
        "at": draw(MOMENTS),
        "not_after": draw(st.none() | MOMENTS),
        "causation_id": draw(st.none() | st.uuids()),
        "subject": draw(st.uuids()),
    }
    if "organisation" in type(event).model_fields:
        changed["organisation"] = Label(hi=draw(NAMES), en=draw(st.none() | NAMES))
    return event.model_copy(update=changed)


@given(events())
def test_the_sdk_reads_what_we_write(event: Event) -> None:
    record = encode(event, f"00-{'a' * 32}-{'b' * 16}-01")
    headers = {name: value for name, value in record.headers if value is not None}
    read = from_kafka_event(KafkaMessage(headers=headers, key=record.key, value=record.value))
    assert isinstance(read, CloudEvent)  # the SDK has checked every attribute
    assert read.get_specversion() == "1.0"
    assert read.get_id() == str(event.event_id)
    assert read.get_type() == event.type
    assert read.get_source() == f"/boothline/{topic_of(event).name}"
    assert read.get_subject() == str(event.subject)
    assert read.get_time() == event.at
    assert read.get_datacontenttype() == "application/json"
    assert read.get_extension("partitionkey") == event.key
    assert read.get_data() == orjson.loads(record.value)


@given(events(), st.sampled_from(["application/json", "application/json; charset=UTF-8"]))
def test_we_read_what_the_sdk_writes(event: Event, content_type: str) -> None:
    attributes = {
        "id": str(event.event_id),
        "type": event.type,
        "source": "/somebody/else",
        "time": event.at.astimezone(UTC),
        "subject": str(event.subject),
        "datacontenttype": content_type,
        "partitionkey": event.key,
        "theirextension": "x",
    }
    made = to_binary_event(CloudEvent(attributes, orjson.loads(event.model_dump_json())))
    assert decode(made.value, made.headers.items()) == event
    assert made.key == event.key
