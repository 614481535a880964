"""Spans: what they hang on, what they are called, and that nothing personal gets into them."""

from dataclasses import replace
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from shared.errors import Unavailable
from shared.events import BULK, Record
from shared.events.codec import traceparent
from shared.telemetry import Call, Delivered, current_trace, fan_out, is_recorded, link_to, trace_ids
from shared.telemetry.steps import MAX_LINKS
from tests.unit.shared.telemetry.conftest import NOW, Recorder

CAUSE = f"00-{'a' * 32}-{'b' * 16}-01"
UNRECORDED = f"00-{'a' * 32}-{'b' * 16}-00"
ID = UUID(int=7)


def record(topic: str = "otp.challenges", trace: str | None = CAUSE, at: str = NOW.isoformat()) -> Record:
    headers: list[tuple[str, bytes | None]] = [("ce_id", str(ID).encode()), ("ce_time", at.encode()), ("empty", None)]
    if trace:
        headers.append(("traceparent", trace.encode()))
    return Record(topic, b"the key", b"the body", tuple(headers))


def delivered(topic: str = "otp.challenges") -> Delivered:
    return Delivered(topic, 3, 41, "registry", ID, NOW)


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    return (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") if span.parent else None


def ids_of(span: ReadableSpan) -> tuple[str, str]:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def links_of(span: ReadableSpan) -> list[tuple[str, str]]:
    return [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links]


def test_handling_is_a_child_of_what_published_and_is_current_meanwhile(recorder: Recorder) -> None:
    with recorder.tracing.processing(delivered(), CAUSE):
        assert is_recorded()
        inside = current_trace.get()
    assert not is_recorded()
    span = recorder.named("process otp.challenges")
    assert inside is not None
    assert trace_ids(inside) == ids_of(span)
    assert parent_of(span) == trace_ids(CAUSE)
    assert span.kind is SpanKind.CONSUMER
    assert span.attributes == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "otp.challenges",
        "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": "registry",
        "messaging.kafka.offset": 41,
        "messaging.message.id": str(ID),
    }


def test_publishing_hangs_on_the_stored_context_and_the_record_carries_the_span(recorder: Recorder) -> None:
    with recorder.tracing.processing(delivered(), None), recorder.tracing.sending([record()]) as traced:
        assert (traced[0].key, traced[0].value) == (b"the key", b"the body")
    span = recorder.named("send otp.challenges")
    assert span.kind is SpanKind.PRODUCER
    assert parent_of(span) == trace_ids(CAUSE), "not what the relay does itself"
    carried = traceparent(traced[0].headers)
    assert carried is not None
    assert trace_ids(carried) == ids_of(span)
    assert [name for name, _ in traced[0].headers].count("traceparent") == 1
    assert span.attributes is not None
    assert "key" not in str(span.attributes)


def test_an_announcement_is_its_own_trace_linked_to_the_confirmation(recorder: Recorder) -> None:
    recorder.drawn = 0.001
    with recorder.tracing.sending([record(BULK.name), record(BULK.name)]):
        pass
    assert len(recorder.spans) == 2
    assert len({ids_of(span)[0] for span in recorder.spans} | {"a" * 32}) == 3
    assert [links_of(span) for span in recorder.spans] == [[trace_ids(CAUSE)]] * 2


def test_an_invitation_of_an_import_goes_on_with_the_trace_of_its_row(recorder: Recorder) -> None:
    elsewhere = replace(recorder.tracing, fans_out=frozenset())  # who sends one message for each cause
    with elsewhere.sending([record(BULK.name)]) as traced:
        pass
    assert parent_of(recorder.named("send notifier.bulk")) == trace_ids(CAUSE)
    with elsewhere.sending([record(BULK.name, UNRECORDED)]) as traced:
        pass
    assert traceparent(traced[0].headers) == UNRECORDED
    assert len(recorder.spans) == 1


def test_of_announcements_one_in_a_hundred_is_recorded_and_the_others_say_so(recorder: Recorder) -> None:
    with recorder.tracing.sending([record(BULK.name)]) as traced:
        pass
    assert recorder.spans == ()
    carried = traceparent(traced[0].headers)
    assert carried is not None
    assert carried.endswith("-00")
    with recorder.tracing.processing(delivered(BULK.name), carried):
        assert not is_recorded()
        assert current_trace.get() == carried
    assert recorder.spans == ()


def test_what_is_published_again_days_later_is_linked(recorder: Recorder) -> None:
    recorder.later(3 * 86_400)
    with recorder.tracing.sending([record()]):
        pass
    span = recorder.named("send otp.challenges")
    assert (parent_of(span), links_of(span)) == (None, [trace_ids(CAUSE)])


def test_a_record_replayed_from_its_topic_is_linked(recorder: Recorder) -> None:
    recorder.later(3_600)
    with recorder.tracing.processing(delivered(), CAUSE):
        pass
    span = recorder.named("process otp.challenges")
    assert (parent_of(span), links_of(span)) == (None, [trace_ids(CAUSE)])


@pytest.mark.parametrize("at", ["garbage", "", "2026-11-24T09:00:00"])
def test_a_time_that_cannot_be_read_is_now(recorder: Recorder, at: str) -> None:
    with recorder.tracing.sending([record(at=at)]):
        pass
    assert parent_of(recorder.named("send otp.challenges")) == trace_ids(CAUSE)


@pytest.mark.parametrize("received", [None, "garbage", CAUSE])
def test_a_request_from_outside_is_a_root(recorder: Recorder, received: str | None) -> None:
    with recorder.tracing.serving("POST", received, trusted=False) as step:
        step.answered("/c/{handle}", 200)
    span = recorder.named("POST /c/{handle}")
    assert parent_of(span) is None
    assert links_of(span) == ([trace_ids(CAUSE)] if received == CAUSE else [])
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": "/c/{handle}",
        "http.response.status_code": 200,
    }


def test_who_holds_a_key_may_have_our_part_in_his_trace(recorder: Recorder) -> None:
    with recorder.tracing.serving("POST", CAUSE, trusted=True):
        pass
    assert parent_of(recorder.named("POST")) == trace_ids(CAUSE)


def test_a_path_that_nobody_serves_and_a_method_that_nobody_knows_are_no_names(recorder: Recorder) -> None:
    with recorder.tracing.serving("+915550000210", None, trusted=False) as step:
        step.answered(None, 404)
    assert recorder.named("HTTP").attributes == {"http.request.method": "_OTHER", "http.response.status_code": 404}


@pytest.mark.parametrize(("status", "failed"), [(404, False), (429, False), (500, True), (503, True)])
def test_only_a_5xx_is_our_failure(recorder: Recorder, status: int, failed: bool) -> None:
    with recorder.tracing.serving("GET", None, trusted=False) as step:
        step.answered("/x", status)
    assert (recorder.named("GET /x").status.status_code is StatusCode.ERROR) is failed


def test_an_error_is_named_and_its_text_is_left_out(recorder: Recorder) -> None:
    call = Call("sms", "twilio", "urgent", ID, NOW)
    with pytest.raises(RuntimeError), recorder.tracing.calling(call, CAUSE):
        raise RuntimeError("phone +915550000210")
    with pytest.raises(Unavailable), recorder.tracing.processing(delivered(), CAUSE):
        raise Unavailable
    called, handled = recorder.named("deliver sms"), recorder.named("process otp.challenges")
    assert called.attributes is not None
    assert handled.attributes is not None
    assert (called.attributes["error.type"], handled.attributes["error.type"]) == ("RuntimeError", "unavailable")
    assert called.status.description is None
    assert called.events == ()
    assert "0000210" not in called.to_json()


def test_publishing_that_fails_fails_every_span(recorder: Recorder) -> None:
    with pytest.raises(Unavailable), recorder.tracing.sending([record(), record()]):
        raise Unavailable
    assert [span.status.status_code for span in recorder.spans] == [StatusCode.ERROR] * 2


def test_a_push_of_one_trace_belongs_to_it_and_one_of_many_is_linked_to_each_once(recorder: Recorder) -> None:
    others = [f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 300)]
    with recorder.tracing.working("push live", [CAUSE, CAUSE], NOW):
        pass
    with recorder.tracing.working("push live", [CAUSE, *others, CAUSE, UNRECORDED, "garbage"], NOW):
        pass
    one, many = recorder.spans
    assert parent_of(one) == trace_ids(CAUSE)
    assert parent_of(many) is None
    assert len(set(links_of(many))) == len(many.links) == MAX_LINKS


def test_a_push_of_what_nobody_records_is_not_recorded(recorder: Recorder) -> None:
    with recorder.tracing.working("push live", [UNRECORDED, UNRECORDED.replace("a", "c")], NOW):
        assert not is_recorded()
    assert recorder.spans == ()


def test_a_step_is_linked_to_what_is_found_out_in_it(recorder: Recorder) -> None:
    link_to(CAUSE)  # outside of every step: nothing to link
    with recorder.tracing.serving("POST", None, trusted=False):
        for cause in (CAUSE, CAUSE, None, "garbage"):
            link_to(cause)
    assert links_of(recorder.named("POST")) == [trace_ids(CAUSE)]


def test_rows_of_an_import_are_traces_of_their_own(recorder: Recorder) -> None:
    with recorder.tracing.serving("POST", None, trusted=True):
        outside = current_trace.get()
        recorder.drawn = 0.001
        chosen = fan_out("import row")
        recorder.drawn = 0.999
        others = {fan_out("import row") for _ in range(5)}
        assert current_trace.get() == outside
    assert chosen is not None
    assert outside is not None
    row = recorder.named("import row")
    assert (ids_of(row), links_of(row)) == (trace_ids(chosen), [trace_ids(outside)])
    assert len(others) == 5
    assert all(other is not None and other.endswith("-00") and outside[3:35] not in other for other in others)


def test_without_spans_a_row_keeps_the_trace_of_its_import() -> None:
    token = current_trace.set(CAUSE)
    assert fan_out("import row") == CAUSE
    current_trace.reset(token)


def test_a_step_that_has_ended_is_left_alone(recorder: Recorder) -> None:
    with recorder.tracing.serving("GET", None, trusted=False) as step:
        step.answered("/live", 200)
        step.end()
        step.answered("/live", 500)
        step.failed("late")
        step.link(CAUSE)
    assert len(recorder.spans) == 1
    assert recorder.named("GET /live").status.status_code is StatusCode.UNSET
