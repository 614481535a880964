"""What Prometheus hears of the stream as a whole."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.console.domain import DeadRow, lag_limit
from services.console.metrics import Gauges
from services.console.service import Watch
from shared import events
from shared.bus import Lag, MemoryBroker, Outgoing, Place
from shared.events import BULK, TOPICS
from shared.events.codec import encode
from shared.telemetry import new_registry, render

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
AN_HOUR_AGO = NOW - timedelta(hours=1)


def dead(count: int) -> DeadRow:
    return DeadRow(
        topic="notifier.urgent", group="notifier-urgent", reason="seal", count=count, oldest=AN_HOUR_AGO,
        newest=NOW, latest="notifier.urgent.dead/0/1",
    )  # fmt: skip


def test_lag_is_told_per_partition_and_what_retention_removed_too() -> None:
    registry = new_registry()
    gauges = Gauges(registry)
    gauges.show([Lag("otp", Place("notifier.replies", 3), 10, 60, NOW - timedelta(seconds=9), lost=5)], [], NOW)
    place = {"group": "otp", "topic": "notifier.replies", "partition": "3"}
    said = {
        name: registry.get_sample_value(f"boothline_consumer_{name}", place)
        for name in ("lag_messages", "lag_seconds", "committed_offset", "lost_records")
    }
    assert said == {"lag_messages": 50, "lag_seconds": 9, "committed_offset": 10, "lost_records": 5}
    assert registry.get_sample_value("boothline_lag_probe_timestamp_seconds") == NOW.timestamp()


def test_dead_letters_that_are_gone_are_not_told_any_more() -> None:
    registry = new_registry()
    gauges = Gauges(registry)
    gauges.show([], [dead(3)], NOW)
    labels = {"group": "notifier-urgent", "topic": "notifier.urgent", "reason": "seal"}
    assert registry.get_sample_value("boothline_dead_letters_open", labels) == 3
    oldest = registry.get_sample_value("boothline_dead_letters_oldest_timestamp_seconds", labels)
    assert oldest == AN_HOUR_AGO.timestamp()
    gauges.show([], [], NOW)
    assert registry.get_sample_value("boothline_dead_letters_open", labels) is None


def test_what_a_dead_letter_says_of_itself_is_no_label() -> None:
    registry = new_registry()
    made_up = [
        dead(3).model_copy(update={"group": f"made up {n}", "topic": f"{n}", "reason": f"code_{n}"}) for n in range(50)
    ]
    Gauges(registry).show([], [dead(2), *made_up, dead(5).model_copy(update={"reason": "ValueError"})], NOW)
    told = [line for line in render(registry).decode().splitlines() if line.startswith("boothline_dead_letters_open{")]
    assert sorted(told) == [
        'boothline_dead_letters_open{group="notifier-urgent",reason="crash",topic="notifier.urgent"} 5.0',
        'boothline_dead_letters_open{group="notifier-urgent",reason="seal",topic="notifier.urgent"} 2.0',
        'boothline_dead_letters_open{group="unknown",reason="refused",topic="unknown"} 150.0',
    ]


@pytest.mark.parametrize("topic", TOPICS)
def test_only_announcements_may_wait_for_as_long_as_they_like(topic: events.Topic) -> None:
    limit = lag_limit(topic)
    assert (limit is None) == (topic == BULK)
    assert limit is None or limit in {10.0, 60.0}


def test_limits_and_retention_are_told_before_anything_was_measured() -> None:
    registry = new_registry()
    Gauges(registry)
    told = render(registry).decode()
    assert 'boothline_lag_limit_seconds{group="notifier-urgent",topic="notifier.urgent"} 10.0' in told
    assert 'boothline_topic_retention_seconds{topic="notifier.urgent.dead"} 2.592e+06' in told


async def test_the_probe_sees_groups_that_have_never_been_there() -> None:
    broker, registry = MemoryBroker(lambda: NOW), new_registry()
    ended = encode(
        events.AppointmentEnded(
            organisation_id=UUID(int=1), subject=UUID(int=2), version=3, at=NOW, cycle=1, reason="mistake"
        )
    )
    broker.append(Outgoing(ended.topic, ended.key, ended.value, ended.headers))
    await Watch(broker.reader(), lambda: NOW).probe(Gauges(registry))
    waiting = [
        line
        for line in render(registry).decode().splitlines()
        if line.startswith("boothline_consumer_lag_messages{") and line.endswith(" 1.0")
    ]
    assert len(waiting) == 1
    assert 'group="otp"' in waiting[0]
