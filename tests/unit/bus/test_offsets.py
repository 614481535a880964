"""Which offset may be committed."""

from hypothesis import given
from hypothesis import strategies as st

from shared.bus.offsets import OffsetTracker


def test_nothing_is_due_before_anything_is_finished() -> None:
    tracker = OffsetTracker()
    tracker.dispatch(7)
    assert tracker.due is None
    assert tracker.window == 1


def test_a_slow_first_record_holds_back_the_finished_ones_after_it() -> None:
    tracker = OffsetTracker()
    for offset in (3, 4, 5):
        tracker.dispatch(offset)
    tracker.finish(5)
    tracker.finish(4)
    assert (tracker.due, tracker.window) == (None, 3)
    tracker.finish(3)
    assert (tracker.due, tracker.window) == (6, 0)


def test_gaps_between_offsets_do_not_stall() -> None:
    tracker = OffsetTracker()
    for offset in (3, 9, 20):
        tracker.dispatch(offset)
        tracker.finish(offset)
    assert tracker.due == 21


def test_what_is_committed_is_not_due_again() -> None:
    tracker = OffsetTracker()
    tracker.dispatch(0)
    tracker.finish(0)
    tracker.committed(1)
    assert tracker.due is None


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    offsets = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=40)))
    return offsets, draw(st.permutations(offsets))


@given(_histories())
def test_invariant_01_only_the_contiguous_prefix_of_what_was_dispatched_is_committable(
    history: tuple[list[int], list[int]],
) -> None:
    offsets, order = history
    tracker = OffsetTracker()
    for offset in offsets:
        tracker.dispatch(offset)
    finished: set[int] = set()
    for offset in order:
        tracker.finish(offset)
        finished.add(offset)
        prefix = [known for known in offsets if all(earlier in finished for earlier in offsets if earlier <= known)]
        assert tracker.due == (prefix[-1] + 1 if prefix else None)
        assert tracker.window == len(offsets) - len(prefix)


@given(_histories())
def test_invariant_02_what_is_due_never_goes_back(history: tuple[list[int], list[int]]) -> None:
    offsets, order = history
    tracker = OffsetTracker()
    for offset in offsets:
        tracker.dispatch(offset)
    highest = 0
    for offset in order:
        tracker.finish(offset)
        if (due := tracker.due) is not None:
            assert due > highest
            highest = due
            tracker.committed(due)
