"""The runner's invariants, by number, on a broker in memory."""

import asyncio
from collections import Counter

import pytest

from shared.bus import Consumer, Context, MemoryBroker, Outgoing, Place, TopicUnfit
from shared.bus.consumer import Limits
from shared.bus.ownership import Ownership
from shared.bus.wire import Received
from shared.clock import utc_now
from shared.errors import Unavailable
from shared.events import PEOPLE, PersonErased, Topic, encode
from shared.lifecycle import Tasks
from tests.contract.bus.scenery import NOW, Heard, erased, until
from tests.unit.bus.conftest import GROUP, Stage


async def test_invariant_01_a_record_that_is_not_finished_holds_back_the_offset_of_its_partition(stage: Stage) -> None:
    first = erased("first")
    await stage.publish(first)
    place = stage.place(first)
    others = [event for event in map(erased, range(200)) if _lands(stage.broker, event) == place][:3]
    await stage.publish(*others)
    stage.heard.gate.clear()
    stage.heard.blocked = {first.subject}
    consumer = await stage.consumer(drain_timeout=0.05)
    await until(lambda: len(stage.heard.finished) == len(others))
    await consumer.stop()
    assert stage.broker.committed(GROUP).get(place, 0) == 0
    stage.heard.gate.set()
    await stage.consumer()
    await until(lambda: stage.broker.committed(GROUP).get(place) == 1 + len(others))


def _lands(broker: MemoryBroker, event: PersonErased) -> Place:
    record = encode(event)
    return Place(record.topic, broker._partition(Outgoing(record.topic, record.key, None, ())))


async def test_invariant_02_commits_never_go_back(stage: Stage) -> None:
    slow = erased("slow")
    stage.heard.blocked = {slow.subject}
    stage.heard.gate.clear()
    await stage.publish(*(erased(number) for number in range(50)), slow, *(erased(number, 2) for number in range(50)))
    await stage.consumer()
    await until(lambda: len(stage.heard.finished) == 100)
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 101)
    highest: Counter[Place] = Counter()
    for _, offsets in stage.broker.commits:
        for place, offset in offsets.items():
            assert offset > highest[place]
            highest[place] = offset


async def test_invariant_03_an_effect_comes_before_its_commit_so_a_kill_between_them_redelivers(stage: Stage) -> None:
    await stage.publish(erased(1))
    stage.broker.refuses_commits = True  # the effect is done, the process dies before the offset is known
    consumer = await stage.consumer()
    await until(lambda: stage.heard.versions(1) == [1])
    await consumer.stop()
    assert stage.committed() == 0
    stage.broker.refuses_commits = False
    await stage.consumer()
    await until(lambda: stage.committed() == 1)
    assert stage.heard.versions(1) == [1, 1]


async def test_invariant_04_a_dead_letter_is_acknowledged_before_its_source_offset_counts(stage: Stage) -> None:
    await stage.producer.send([Outgoing(PEOPLE.name, b"k", b"not json", encode(erased(1)).headers)])
    await stage.publish(erased(2))
    stage.broker.refuses_records = True
    consumer = await stage.consumer()
    await until(lambda: stage.heard.versions(2) == [1])
    await until(lambda: consumer.health.problem == "dead_letter_unwritten")
    assert not consumer.health.ready
    await until(lambda: stage.committed() == 1)
    stage.broker.refuses_records = False
    await until(lambda: stage.committed() == 2)
    assert stage.dead() == 1


async def test_invariant_05_a_handler_that_outlives_its_epoch_commits_nothing_in_the_next(stage: Stage) -> None:
    release, ended = asyncio.Event(), asyncio.Event()
    calls = 0

    async def stubborn_at_first(event: PersonErased, context: Context) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            await stage.heard(event, context)
            return
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:  # as code does that shields itself from cancellation
                continue
        ended.set()

    stage.heard.gate.clear()
    await stage.publish(erased(1))
    first = await stage.consumer(handler=stubborn_at_first, drain_timeout=0.05)
    await until(lambda: first.health.in_flight == 1)
    second = await stage.consumer(handler=stubborn_at_first, drain_timeout=0.05)
    await until(lambda: calls == 2)
    release.set()
    await ended.wait()
    rounds = len(stage.broker.commits)
    await stage.publish(erased("elsewhere"))
    await until(lambda: first.health.in_flight + second.health.in_flight == 2)
    await asyncio.sleep(0.05)  # several rounds of commits: nothing may come
    assert len(stage.broker.commits) == rounds
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 2)


async def test_invariant_06_a_revoke_drains_queue_and_flight_and_commits_so_a_join_under_load_repeats_nothing(
    stage: Stage,
) -> None:
    events = [erased(subject, version) for version in range(1, 11) for subject in range(100)]
    await stage.publish(*events[:500])
    await stage.consumer(lanes=4)
    await until(lambda: len(stage.heard.finished) > 50)
    await stage.consumer(lanes=4)
    await stage.publish(*events[500:])
    third = await stage.consumer(lanes=4)
    await until(lambda: len(stage.heard.finished) > 600)
    await third.stop()
    await until(lambda: stage.committed() == len(events))
    assert len(stage.heard.finished) == len(events)
    assert all(stage.heard.versions(subject) == list(range(1, 11)) for subject in range(100))


async def test_invariant_06_what_does_not_end_within_the_drain_is_cancelled_and_left_to_the_next_owner(
    stage: Stage,
) -> None:
    stage.heard.gate.clear()
    await stage.publish(erased(1))
    consumer = await stage.consumer(drain_timeout=0.05)
    await until(lambda: len(stage.heard.calls) == 1)
    await consumer.stop()
    assert stage.committed() == 0
    stage.heard.gate.set()
    await stage.consumer()
    await until(lambda: stage.committed() == 1)


def _received(place: Place, offset: int = 0) -> Received:
    record = encode(erased(offset))
    return Received(place, offset, NOW, record.key, record.value, record.headers)


async def test_invariant_07_records_that_come_before_the_assignment_is_known_wait_for_it() -> None:
    handled: list[Received] = []

    async def handle(record: Received, _: object) -> None:
        handled.append(record)

    place = Place(PEOPLE.name, 0)
    async with Tasks() as tasks:
        owned = Ownership(GROUP, tasks, handle=handle, patience=lambda: 1.0, counted=lambda: None)
        await owned.revoked()
        early = tasks.spawn(owned.arrived([_received(place)]), "early")
        await asyncio.sleep(0.02)
        assert not handled
        await owned.assigned([place])
        await early
        await until(lambda: len(handled) == 1)


async def test_invariant_07_records_of_an_older_assignment_are_dropped_since_they_come_again() -> None:
    handled: list[Received] = []

    async def handle(record: Received, _: object) -> None:
        handled.append(record)

    place = Place(PEOPLE.name, 0)
    async with Tasks() as tasks:
        owned = Ownership(GROUP, tasks, handle=handle, patience=lambda: 1.0, counted=lambda: None)
        await owned.revoked()
        early = tasks.spawn(owned.arrived([_received(place)]), "early")
        await asyncio.sleep(0)
        await owned.revoked()
        await owned.assigned([place])
        await early
        await owned.close()
        assert not handled


async def test_invariant_08_lost_membership_drops_the_state_joins_again_and_crashes_nothing(stage: Stage) -> None:
    consumer = await stage.consumer()
    await stage.broker.expel(GROUP)
    await stage.publish(*(erased(number) for number in range(20)))
    await until(lambda: stage.committed() == 20)
    assert consumer.health.ready


async def test_invariant_09_a_stop_under_load_commits_what_was_handled_and_a_restart_repeats_nothing(
    stage: Stage,
) -> None:
    enough = asyncio.Event()

    async def handler(event: PersonErased, context: Context) -> None:
        await stage.heard(event, context)
        if len(stage.heard.finished) == 100:
            enough.set()

    await stage.publish(*(erased(number) for number in range(3000)))  # 2,000 are in hand at most, and are finished
    consumer = await stage.consumer(window=50, handler=handler)
    await enough.wait()
    await consumer.stop()
    await consumer.stop()
    assert stage.committed() == len(stage.heard.finished) < 3000
    await stage.consumer()
    await until(lambda: stage.committed() == 3000)
    assert len(stage.heard.finished) == 3000


async def test_invariant_09_a_stop_does_not_wait_for_retries(stage: Stage) -> None:
    stage.heard.failures[erased(1).subject] = lambda _: Unavailable(retry_after=3600.0)
    await stage.publish(erased(1))
    consumer = await stage.consumer()
    await until(lambda: consumer.health.problem == "dependency")
    async with asyncio.timeout(60):  # far below the pause and the drain
        await consumer.stop()


async def test_invariant_11_a_member_that_can_take_nothing_keeps_polling(stage: Stage) -> None:
    stage.heard.gate.clear()
    await stage.publish(*(erased(number) for number in range(100)))
    consumer = await stage.consumer(window=1)
    await until(lambda: consumer.health.in_flight >= 12)
    before = consumer._polled
    await until(lambda: consumer._polled > before + 0.3)
    stage.heard.gate.set()


async def test_invariant_12_a_blocked_handler_keeps_in_flight_and_window_flat(stage: Stage) -> None:
    stage.heard.gate.clear()
    await stage.publish(*(erased(number) for number in range(2500)))
    consumer = await stage.consumer(window=20)
    await until(lambda: consumer.health.in_flight > 0)
    await asyncio.sleep(0.2)
    assert consumer.health.in_flight <= 2000
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 2500)


async def test_invariant_12_one_stuck_record_stops_its_partition_at_the_window_and_no_other(stage: Stage) -> None:
    stuck = erased("stuck")
    stage.heard.blocked = {stuck.subject}
    stage.heard.gate.clear()
    await stage.publish(stuck)
    place = stage.place(stuck)
    fillers = [Outgoing(PEOPLE.name, b"%d" % n, b"{}", (("ce_type", b"person.moved.v1"),)) for n in range(12_000)]
    await stage.producer.send(fillers)
    elsewhere = sum(record.place != place for record in stage.broker.records(PEOPLE.name))
    consumer = await stage.consumer(window=100)
    await until(lambda: stage.committed() == elsewhere)
    assignment = consumer._owned.assignment
    assert assignment is not None
    await until(lambda: assignment._trackers[place].window >= 100)
    assert assignment._trackers[place].window <= 100 + 500 < len(stage.broker.logs[place])
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 12_001)


async def test_invariant_12_bytes_in_flight_are_bounded_too(stage: Stage) -> None:
    stage.heard.gate.clear()
    consumer = await stage.consumer()
    consumer._limits = Limits(in_flight_bytes=5_000)
    await stage.publish(*(erased(number) for number in range(20)))
    await until(lambda: consumer.health.in_flight == 20)
    assignment, member = consumer._owned.assignment, consumer._owned.member
    assert assignment is not None
    assert member is not None
    assert assignment.bytes >= 5_000
    touched = 0
    touch = member.touch

    async def counting() -> None:
        nonlocal touched
        touched += 1
        await touch()

    member.touch = counting  # type: ignore[method-assign] # counts the rounds that ask for nothing
    await stage.publish(*(erased(number) for number in range(20, 40)))
    await until(lambda: touched >= 3)
    assert consumer.health.in_flight == 20
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 40)
    assert assignment.bytes == 0


async def test_invariant_13_records_of_one_key_never_overlap_or_change_order_while_keys_run_side_by_side(
    stage: Stage,
) -> None:
    busy = 0
    most = 0

    async def handler(event: PersonErased, context: object) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1
        await stage.heard(event, context)  # type: ignore[arg-type]

    await stage.publish(*(erased(subject, version) for version in range(1, 21) for subject in range(10)))
    await stage.consumer(lanes=8, handler=handler)
    await until(lambda: len(stage.heard.finished) == 200)
    assert stage.heard.overlaps == 0
    assert all(stage.heard.versions(subject) == list(range(1, 21)) for subject in range(10))
    assert 1 < most <= 8


async def test_invariant_14_a_key_that_is_stuck_stops_no_other_key_of_its_partition(stage: Stage) -> None:
    stuck = erased("stuck")
    stage.heard.blocked = {stuck.subject}
    stage.heard.gate.clear()
    await stage.publish(*(erased("stuck", version) for version in range(1, 4)), *(erased(n) for n in range(300)))
    await stage.consumer()
    await until(lambda: len(stage.heard.finished) == 300)
    stage.heard.gate.set()
    await until(lambda: stage.heard.versions("stuck") == [1, 2, 3])


async def test_a_loop_that_dies_ends_the_process() -> None:
    async with Tasks() as process:
        consumer = Consumer(MemoryBroker(utc_now, []), GROUP, {PersonErased: Heard()}, clock=utc_now, tasks=process)
        await consumer.start()
        with pytest.raises(TopicUnfit, match="missing"):
            await process.crashed()
        await consumer.stop()
        process._died = None  # seen: else leaving the block would raise it again


async def test_invariant_25_a_topic_that_does_not_fit_the_contract_kills_the_consumer() -> None:
    broker = MemoryBroker(utc_now, [Topic("registry.people", "registry", partitions=3)])
    with pytest.raises(TopicUnfit, match="3 partitions instead of 12"):
        async with asyncio.timeout(60):
            await Consumer(broker, GROUP, {PersonErased: Heard()}, clock=utc_now).run()


async def test_invariant_08_a_handler_at_work_is_cancelled_when_its_partition_belongs_to_somebody_else(
    stage: Stage,
) -> None:
    stage.heard.gate.clear()
    await stage.publish(erased(1))
    await stage.consumer()
    await until(lambda: len(stage.heard.calls) == 1)
    await stage.broker.expel(GROUP)
    await until(lambda: len(stage.heard.calls) == 2)  # far below the drain
    assert stage.heard.overlaps == 0
    stage.heard.gate.set()
    await until(lambda: stage.committed() == 1)
