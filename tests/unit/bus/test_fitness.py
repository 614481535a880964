"""What is a difference from the contract, and what may be done about it."""

import pytest

from shared.bus.kafka.fitness import Difference, Found, configs_of, differences
from shared.events import PEOPLE, Topic
from shared.events.catalogue import TOPICS

FITTING = Found(PEOPLE.partitions, 3, configs_of(PEOPLE, 3) | {"segment.bytes": "1"})
DEAD = Found(1, 3, configs_of(PEOPLE.dead, 3))


def compared(
    there: Found | None, topic: Topic = PEOPLE, *, replicas: int = 3, configs: bool = True
) -> list[Difference]:
    return [*differences([topic], replicas, {topic.name: there} if there else {}, configs=configs)]


def test_a_topic_as_the_contract_says_has_no_difference_and_may_have_settings_of_its_own() -> None:
    assert compared(FITTING) == []
    assert compared(DEAD, PEOPLE.dead) == []


def test_a_missing_topic_is_a_difference() -> None:
    assert compared(None) == [Difference("registry.people", "missing")]


def test_fewer_partitions_cannot_be_set_right_since_more_would_break_the_order_of_keys() -> None:
    (difference,) = compared(Found(3, 3, FITTING.configs))
    assert (difference.problem, difference.change, difference.harmless) == (
        "3 partitions instead of 12",
        None,
        False,
    )


def test_more_partitions_are_accepted_and_said() -> None:
    (difference,) = compared(Found(24, 3, FITTING.configs))
    assert (difference.problem, difference.harmless) == ("24 partitions, more than the 12 of the contract", True)


def test_fewer_copies_are_a_difference_and_more_are_well() -> None:
    assert [d.problem for d in compared(Found(12, 1, configs_of(PEOPLE, 1)))] == ["1 copies instead of 3"]
    assert compared(FITTING, replicas=1) == []


def test_the_copies_that_there_are_decide_how_many_must_be_written() -> None:
    """Two of one copy can never be written: every producer would stop."""
    assert [configs_of(PEOPLE, copies)["min.insync.replicas"] for copies in (1, 2, 3)] == ["1", "1", "2"]
    (copies, change) = compared(Found(12, 1, FITTING.configs))
    assert (copies.change, change.change) == (None, ("min.insync.replicas", "1"))


@pytest.mark.parametrize("topic", [PEOPLE, PEOPLE.dead])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", "1000"),
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "1024"),
        ("min.insync.replicas", "1"),
        ("retention.ms", None),
    ],
)
def test_a_wrong_setting_is_a_difference_that_can_be_set_right(topic: Topic, name: str, value: str | None) -> None:
    wanted = configs_of(topic, 3)
    found = Found(topic.partitions, 3, wanted | {name: value})
    (difference,) = compared(found, topic)
    assert difference.problem == f"{name} is {value} instead of {wanted[name]}"
    assert difference.change == (name, wanted[name])


def test_where_settings_are_not_kept_only_the_partitions_are_compared() -> None:
    assert compared(Found(12, 1, {}), configs=False) == []
    assert len(compared(Found(3, 1, {}), configs=False)) == 1


def test_a_dead_letter_topic_takes_what_its_topic_takes_and_the_headers_besides() -> None:
    for topic in TOPICS:
        assert topic.dead.max_bytes == topic.max_bytes + 65_536
