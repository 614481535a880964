"""What can be seen of a consumer from outside: metrics and traces."""

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from shared import log
from shared.bus import BusMetrics, Outgoing, RetryBudget
from shared.bus.metrics import REASONS, reason_label
from shared.events import PEOPLE, PersonErased, encode
from shared.telemetry import current_trace
from tests.contract.bus.scenery import erased, until
from tests.unit.bus.conftest import GROUP, Stage

_TYPE = ("ce_type", b"person.erased.v1")


async def test_a_type_that_is_not_known_is_skipped_and_counted(stage: Stage) -> None:
    registry = CollectorRegistry()
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", b"{}", (("ce_type", b"person.moved.v1"),))])
    await stage.consumer(metrics=BusMetrics(registry))
    await until(lambda: stage.committed() == 1)
    labels = {"group": GROUP, "topic": PEOPLE.name, "event": "unknown", "outcome": "skipped"}
    assert registry.get_sample_value("boothline_records_total", labels) == 1
    assert stage.dead() == 0


async def test_metrics_begin_at_zero_and_count(stage: Stage) -> None:
    registry = CollectorRegistry()
    await stage.consumer(metrics=BusMetrics(registry))
    labels = {"group": GROUP, "topic": PEOPLE.name}
    ok = labels | {"event": "person.erased.v1", "outcome": "ok"}
    assert registry.get_sample_value("boothline_records_total", ok) == 0
    assert registry.get_sample_value("boothline_dead_letters_total", labels | {"reason": "undecodable"}) == 0
    await stage.publish(erased(1))
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", b"{", (_TYPE,))])
    await until(lambda: stage.committed() == 2)
    assert registry.get_sample_value("boothline_records_total", ok) == 1
    assert registry.get_sample_value("boothline_dead_letters_total", labels | {"reason": "undecodable"}) == 1
    assert registry.get_sample_value("boothline_process_seconds_count", labels) == 1
    assert registry.get_sample_value("boothline_consumer_rebalances_total", {"group": GROUP}) == 1


async def test_a_handler_runs_in_the_trace_of_its_record(stage: Stage) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    traces: list[str | None] = []

    async def handler(_: PersonErased, context: object) -> None:
        traces.append(current_trace.get())

    await stage.producer.publish([encode(erased(1), trace)])
    await stage.consumer(handler=handler)
    await until(lambda: len(traces) == 1)
    assert traces == [trace]


async def test_a_dead_letter_counts_under_a_reason_that_was_there_from_the_start(stage: Stage) -> None:
    registry = CollectorRegistry()

    async def handler(event: PersonErased, context: object) -> None:
        raise LookupError("+915550000210")

    await stage.consumer(handler=handler, metrics=BusMetrics(registry), retry=RetryBudget(attempts=1))
    labels = {"group": GROUP, "topic": PEOPLE.name}
    before = {
        reason: registry.get_sample_value("boothline_dead_letters_total", labels | {"reason": reason})
        for reason in REASONS
    }
    assert before == dict.fromkeys(REASONS, 0)
    await stage.publish(erased(1))
    await until(lambda: stage.committed() == 1)
    assert registry.get_sample_value("boothline_dead_letters_total", labels | {"reason": "crash"}) == 1


def test_reasons_are_few() -> None:
    said = {reason_label(reason) for reason in (*REASONS, "seal", "no_such_appointment", "moved", "KeyError", "x" * 99)}
    assert said <= set(REASONS)


async def test_what_is_logged_of_a_dead_letter_names_its_trace(stage: Stage) -> None:
    headers = (_TYPE, ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01".encode()))
    with capture_logs(processors=[log._name_trace]) as lines:
        await stage.consumer()
        await stage.producer.send([Outgoing(PEOPLE.name, b"k", b"{", headers)])
        await until(lambda: stage.committed() == 1)
    said = {line["event"]: line.get("trace_id") for line in lines}
    assert said["dead letter"] == "a" * 32
    assert said["partitions assigned"] is None
