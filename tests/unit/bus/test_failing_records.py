"""What becomes of records that cannot be read or whose handler fails: the invariants by number."""

import asyncio
from collections import Counter

import pytest

from shared.bus import DeadLetter, Outgoing, RetryBudget
from shared.errors import Conflict, Throttled, Unavailable
from shared.events import PEOPLE, encode
from tests.contract.bus.scenery import Heard, erased, until
from tests.unit.bus.conftest import GROUP, Stage

_GOOD = encode(erased("good"))
_TYPE = ("ce_type", b"person.erased.v1")
_CORPUS: tuple[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]], ...] = (
    (b"k", None, (_TYPE,)),
    (None, b"", (_TYPE,)),
    (b"k", b"{", (_TYPE,)),
    (b"k", b"{}", (_TYPE,)),
    (b"k", b"[" * 100_000, (_TYPE,)),
    (b"k", b'"9876543210"', (_TYPE,)),
    (b"k", b"\xff\xfe\x00", (_TYPE,)),
    (b"k", _GOOD.value, ()),
    (b"k", _GOOD.value, (("ce_type", None),)),
    (b"k", _GOOD.value, (("ce_type", b"\xff\xfe"),)),
    (b"k", _GOOD.value, (("ce_type", b""),)),
    (b"k", _GOOD.value, (("ce_type", b"person.erased.v2"),)),
    (b"k", _GOOD.value, (("ce_type", b"person.erased.v1; drop"),)),
)


async def test_invariant_15_poison_ends_in_dead_letters_exactly_once_and_the_loop_survives(stage: Stage) -> None:
    await stage.producer.send([Outgoing(PEOPLE.name, key, value, headers) for key, value, headers in _CORPUS])
    await stage.publish(erased(1))
    await stage.consumer()
    await until(lambda: stage.committed() == len(_CORPUS) + 1)
    letters = [DeadLetter.read(record) for record in stage.broker.records(PEOPLE.dead.name)]
    assert Counter((x.key, x.value, x.headers) for x in letters if x) == Counter(_CORPUS)
    assert {x.reason for x in letters if x} == {"undecodable", "unknown_version"}
    assert stage.heard.versions(1) == [1]


@pytest.mark.parametrize(
    "headers",
    [
        (*_GOOD.headers, ("x", None)),
        (*_GOOD.headers, ("x", b"\xff\xfe")),
        (*_GOOD.headers, ("", b"")),
        (*_GOOD.headers, ("traceparent", b"\xff garbage")),
        (*_GOOD.headers, _GOOD.headers[0]),
    ],
)
async def test_invariant_15_strange_headers_do_not_prevent_delivery(
    stage: Stage, headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    await stage.producer.send([Outgoing(PEOPLE.name, _GOOD.key, _GOOD.value, headers)])
    await stage.consumer()
    await until(lambda: stage.heard.versions("good") == [1])


async def test_invariant_16_a_topic_of_poison_keeps_its_tail_uncommitted(stage: Stage) -> None:
    await stage.producer.send([Outgoing(PEOPLE.name, b"%d" % n, b"{", (_TYPE,)) for n in range(100)])
    consumer = await stage.consumer(dead_limit=7)
    await until(lambda: consumer.health.problem == "dead_letter_limit")
    assert not consumer.health.ready
    await until(lambda: stage.committed() <= 7 == stage.dead())
    async with asyncio.timeout(60):  # far below the drain
        await consumer.stop()
    assert stage.committed() <= 7
    assert stage.dead() == 7


async def test_dead_letters_with_good_records_between_them_do_not_trip_the_limit(stage: Stage) -> None:
    for number in range(10):
        await stage.producer.send([Outgoing(PEOPLE.name, b"same", b"{", (_TYPE,))])
        await stage.publish(erased(number))
        if not number:
            await stage.consumer(dead_limit=3)
        await until(lambda number=number: stage.committed() == 2 * (number + 1))  # type: ignore[misc]
    assert stage.dead() == 10


async def test_invariant_17_a_failure_that_may_pass_is_tried_within_its_budget_and_then_a_dead_letter(
    stage: Stage,
) -> None:
    stage.heard.failures[erased(1).subject] = lambda _: Throttled()
    await stage.publish(erased(1), erased(1, 2))
    await stage.consumer(retry=RetryBudget(attempts=3, first=0.001, seconds=600.0))
    await until(lambda: stage.committed() == 2)
    assert [context.attempt for event, context in stage.heard.calls if event.version == 1] == [1, 2, 3]
    letters = [DeadLetter.read(record) for record in stage.broker.records(PEOPLE.dead.name)]
    assert [(x.reason, x.attempts) for x in letters if x] == [("throttled", 3)] * 2


async def test_invariant_17_a_record_that_waits_for_its_next_attempt_holds_no_slot(stage: Stage) -> None:
    stage.heard.failures[erased(1).subject] = lambda _: Throttled(retry_after=3600.0)
    await stage.publish(erased(1))
    await stage.consumer(lanes=1, retry=RetryBudget(seconds=7200.0))
    await until(lambda: len(stage.heard.calls) == 1)
    await stage.publish(*(erased(number) for number in range(2, 50)))
    await until(lambda: len(stage.heard.finished) == 48)


async def test_a_failure_that_never_passes_is_a_dead_letter_at_once(stage: Stage) -> None:
    stage.heard.failures[erased(1).subject] = lambda _: Conflict()
    stage.heard.failures[erased(2).subject] = lambda _: KeyError("a bug")
    await stage.publish(erased(1), erased(2))
    await stage.consumer()
    await until(lambda: stage.committed() == 2)
    letters = [DeadLetter.read(record) for record in stage.broker.records(PEOPLE.dead.name)]
    assert {(x.reason, x.attempts) for x in letters if x} == {("conflict", 1), ("KeyError", 1)}


async def test_an_outage_of_the_service_s_store_holds_every_record_and_buries_none(stage: Stage) -> None:
    away = True
    for number in range(10):
        stage.heard.failures[erased(number).subject] = lambda _: Unavailable() if away else None
    await stage.publish(*(erased(number) for number in range(10)))
    consumer = await stage.consumer(retry=RetryBudget(attempts=2, seconds=0.01, first=0.001, longest=0.01))
    await until(lambda: len(stage.heard.calls) > 200)
    assert consumer.health.problem == "dependency"
    assert (stage.dead(), stage.committed()) == (0, 0)
    away = False
    await until(lambda: stage.committed() == 10)
    assert stage.dead() == 0


async def test_a_handler_that_is_cancelled_by_its_own_client_is_tried_again(stage: Stage) -> None:
    stage.heard.failures[erased(1).subject] = lambda context: _cancelled() if context.attempt == 1 else None
    await stage.publish(erased(1))
    await stage.consumer()
    await until(lambda: stage.committed() == 1)
    assert stage.heard.versions(1) == [1]


def _cancelled() -> Exception:
    raise asyncio.CancelledError


async def test_invariant_19_a_record_without_value_and_gaps_do_not_stall(stage: Stage) -> None:
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", None, (_TYPE,))])
    await stage.publish(erased(1))
    await stage.consumer()
    await until(lambda: stage.committed() == 2)
    letter = DeadLetter.read(stage.broker.records(PEOPLE.dead.name)[0])
    assert letter is not None
    assert letter.value is None


async def test_invariant_20_a_group_that_starts_over_hears_the_same_event_ids_in_the_same_order(stage: Stage) -> None:
    await stage.publish(*(erased(subject, version) for version in (1, 2, 3) for subject in range(20)))
    consumer = await stage.consumer()
    await until(lambda: stage.committed() == 60)
    await consumer.stop()
    stage.broker.rewind(GROUP)
    again = Heard()
    await stage.consumer(handler=again)
    await until(lambda: stage.committed() == 60)
    assert {event.event_id for event, _ in again.calls} == {event.event_id for event, _ in stage.heard.calls}
    assert all(again.versions(subject) == stage.heard.versions(subject) for subject in range(20))
