"""What the Kafka clients are told (invariant 25): each line was once an incident somewhere."""

from typing import Any

import pytest

from shared.bus import Connection, Consumer, MemoryBroker, Misconfigured
from shared.bus.connection import DURABLE, EMBEDDED, Timing, check
from shared.bus.kafka import member
from shared.bus.kafka.clients import compiled_records, consumer_settings, producer_settings
from shared.bus.kafka.fitness import configs_of
from shared.bus.kafka.topics import ALL_TOPICS
from shared.events import PEOPLE, PersonErased
from tests.contract.bus.scenery import Heard, clock

_KAFKA = Connection("broker:9092", "boothline-otp")
_EMBEDDED = Connection("broker:9092", "boothline-otp", ephemeral=True)
_BOTH = pytest.mark.parametrize("connection", [_KAFKA, _EMBEDDED])


@_BOTH
def test_invariant_25_offsets_are_committed_by_us_only_and_new_groups_start_at_the_beginning(
    connection: Connection,
) -> None:
    settings = consumer_settings(connection, "otp")
    assert settings["enable_auto_commit"] is False
    assert settings["auto_offset_reset"] == "earliest"


@_BOTH
def test_invariant_25_nothing_is_decoded_by_the_client_and_no_member_has_a_fixed_name(connection: Connection) -> None:
    settings: dict[str, Any] = consumer_settings(connection, "otp")
    assert not settings.keys() & {"key_deserializer", "value_deserializer", "group_instance_id"}
    assert len(settings["partition_assignment_strategy"]) == 1


@_BOTH
def test_invariant_25_every_record_is_acknowledged_by_all_replicas(connection: Connection) -> None:
    assert producer_settings(connection)["acks"] == "all"


def test_invariant_25_only_the_embedded_broker_goes_without_idempotence() -> None:
    assert producer_settings(_KAFKA)["enable_idempotence"] is True
    assert producer_settings(_EMBEDDED)["enable_idempotence"] is False


def test_invariant_25_a_frozen_broker_costs_15_seconds_and_the_embedded_one_may_hold_a_join_for_longer() -> None:
    assert consumer_settings(_KAFKA, "otp")["request_timeout_ms"] == 15_000
    assert EMBEDDED.request >= EMBEDDED.rebalance + 5


@pytest.mark.parametrize("timing", [DURABLE, EMBEDDED])
def test_invariant_25_the_default_drain_fits_into_the_rebalance(timing: Timing) -> None:
    check(timing, drain_timeout=20.0)


@pytest.mark.parametrize(
    ("timing", "drain"),
    [
        (DURABLE, 56.0),
        (Timing(request=15, session=5, heartbeat=1, rebalance=60, fetch_wait=0.5, revoke=55, stuck=100), 20.0),
        (Timing(request=15, session=6, heartbeat=3, rebalance=60, fetch_wait=0.5, revoke=55, stuck=100), 20.0),
    ],
)
def test_invariant_25_time_outs_that_contradict_each_other_are_refused(timing: Timing, drain: float) -> None:
    with pytest.raises(Misconfigured):
        check(timing, drain)


def test_invariant_25_a_drain_longer_than_the_rebalance_is_refused_when_the_consumer_is_made() -> None:
    with pytest.raises(Misconfigured, match="drain_timeout"):
        Consumer(_KAFKA, "otp", {PersonErased: Heard()}, clock=clock, drain_timeout=60.0)
    Consumer(MemoryBroker(), "otp", {PersonErased: Heard()}, clock=clock, drain_timeout=60.0)


def test_invariant_25_the_compiled_record_parser_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_records()
    monkeypatch.setattr(member, "compiled_records", lambda: False)
    with pytest.raises(Misconfigured, match="C extension"):
        _KAFKA.member("otp", [PEOPLE])


def test_every_topic_of_the_contract_has_a_dead_letter_topic_kept_30_days_that_takes_bigger_records() -> None:
    assert len(ALL_TOPICS) == len({topic.name for topic in ALL_TOPICS})
    for topic in ALL_TOPICS:
        configs = configs_of(topic, 3)
        assert configs["cleanup.policy"] == "delete"
        if topic.name.endswith(".dead"):
            assert configs["retention.ms"] == str(30 * 24 * 3600 * 1000)
            assert int(configs["max.message.bytes"]) > 1_048_588
