"""The queue of updates."""

from services.sandbox.domain.updates import KEPT, Updates

NOW = 1000.0


def ids(updates: Updates, offset: int = 0, limit: int = 100, now: float = NOW) -> list[int]:
    return [u["update_id"] for u in updates.take(offset, limit, now)]


def filled(count: int = 3) -> Updates:
    updates = Updates(10)
    for n in range(count):
        updates.add("message", {"n": n}, NOW)
    return updates


def test_an_offset_confirms_what_is_before_it() -> None:
    updates = filled()
    assert ids(updates) == [10, 11, 12]
    assert ids(updates, offset=11) == [11, 12]
    assert ids(updates) == [11, 12]


def test_a_negative_offset_keeps_the_newest() -> None:
    assert ids(filled(), offset=-1) == [12]


def test_a_limit_outside_1_to_100_counts_as_100() -> None:
    updates = filled(120)
    assert len(ids(updates, limit=0)) == 100
    assert len(ids(updates, limit=2)) == 2


def test_a_kind_that_was_not_asked_for_is_not_queued() -> None:
    updates = Updates(1)
    assert updates.add("chat_member", {}, NOW) is None
    updates.allow(["chat_member"])
    assert updates.add("chat_member", {}, NOW) == 1
    assert updates.add("message", {}, NOW) is None
    updates.allow(None)
    assert updates.add("message", {}, NOW) is None, "absent keeps the previous list"
    updates.allow([])
    assert updates.add("message", {}, NOW) == 2, "an empty list is the default set"


def test_callback_queries_expire_after_150_seconds_and_messages_after_a_day() -> None:
    updates = Updates(1)
    updates.add("callback_query", {}, NOW)
    updates.add("message", {}, NOW)
    assert ids(updates, now=NOW + 149) == [1, 2]
    assert ids(updates, now=NOW + 150) == [2]
    assert ids(updates, now=NOW + 86_400) == []


def test_an_update_can_be_repeated_reversed_and_doubled() -> None:
    updates = filled(2)
    updates.repeat(10, 1, NOW)
    updates.reverse()
    assert ids(updates) == [10, 11, 10]
    assert updates.repeat(999, 1, NOW) is None
    updates.copies = 3
    updates.add("message", {}, NOW)
    assert ids(updates)[-3:] == [12, 12, 12]


def test_held_updates_wait() -> None:
    updates = filled(1)
    updates.held = True
    assert ids(updates) == []
    assert updates.first(NOW) is None
    updates.held = False
    assert ids(updates) == [10]


def test_an_injected_update_keeps_its_malformed_body() -> None:
    updates = Updates(5)
    updates.inject({"message": {"odd": True}}, NOW)
    assert updates.take(0, 100, NOW) == [{"update_id": 5, "message": {"odd": True}}]


def test_the_queue_is_bounded_and_counts_what_it_drops() -> None:
    updates = filled(KEPT + 7)
    assert len(updates.pending) == KEPT
    assert updates.dropped == 7
    assert ids(updates)[0] == 17
