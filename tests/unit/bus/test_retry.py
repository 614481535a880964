"""What happens after a handler failed."""

import pytest

from shared.bus.retry import Cause, RetryBudget, Tries, cause
from shared.bus.watchdog import HandlerStuck
from shared.errors import Conflict, Failure, Throttled, Unavailable


class _StoreAway(Exception):
    pass


_OUTAGES = (OSError, _StoreAway)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable(), Cause.OUTAGE),
        (ConnectionResetError(), Cause.OUTAGE),
        (TimeoutError(), Cause.OUTAGE),
        (_StoreAway(), Cause.OUTAGE),
        (Throttled(), Cause.LATER),
        (Conflict(), Cause.NEVER),
        (KeyError("x"), Cause.NEVER),
        (ExceptionGroup("", [KeyError("x"), Unavailable()]), Cause.OUTAGE),
        (ExceptionGroup("", [KeyError("x")]), Cause.NEVER),
    ],
)
def test_the_cause_is_read_from_the_failure(error: Exception, expected: Cause) -> None:
    assert cause(error, _OUTAGES) is expected


def _tries(budget: RetryBudget) -> Tries:
    return Tries(budget, _OUTAGES, jitter=lambda: 1.0)


def test_the_pause_doubles_up_to_the_longest() -> None:
    budget = RetryBudget(first=0.1, longest=1.0)
    assert [budget.pause(attempt, 1.0) for attempt in (1, 2, 3, 4, 5, 99)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_spreads_half_of_the_pause() -> None:
    budget = RetryBudget(first=0.1)
    assert budget.pause(1, 0.0) == pytest.approx(0.05)
    assert budget.pause(1, 0.5) == pytest.approx(0.075)


def test_a_record_that_fails_for_good_is_given_up_at_once() -> None:
    assert _tries(RetryBudget()).after(Conflict()) is None


def test_invariant_17_attempts_and_seconds_are_bounded_by_the_budget() -> None:
    tries = _tries(RetryBudget(attempts=3, seconds=100, first=1))
    assert [tries.after(Throttled()) for _ in range(3)] == [1.0, 2.0, None]
    tries = _tries(RetryBudget(attempts=100, seconds=4, first=1))
    assert [tries.after(Throttled()) for _ in range(3)] == [1.0, 2.0, None]


def test_an_outage_is_waited_out_however_long_and_costs_no_budget() -> None:
    tries = _tries(RetryBudget(attempts=2, seconds=1.0, first=0.1, longest=5.0))
    assert all(tries.after(Unavailable()) is not None for _ in range(1000))
    assert tries.after(Throttled()) == pytest.approx(0.1)
    assert tries.after(Throttled()) is None


def test_a_failure_may_say_when_to_come_back() -> None:
    assert _tries(RetryBudget()).after(Throttled(retry_after=2.5)) == 2.5
    assert _tries(RetryBudget(seconds=2.0)).after(Throttled(retry_after=2.5)) is None


def test_a_plain_failure_is_given_up() -> None:
    assert _tries(RetryBudget()).after(Failure()) is None


def test_invariant_17_the_time_of_the_attempts_themselves_counts() -> None:
    tries = _tries(RetryBudget(attempts=100, seconds=10, first=1, longest=1))
    assert [tries.after(Throttled(), took=3.0) for _ in range(3)] == [1.0, 1.0, None]


def test_invariant_17_an_outage_s_time_does_not_count() -> None:
    tries = _tries(RetryBudget(attempts=2, seconds=10, first=1))
    assert tries.after(Unavailable(), took=3600.0) == 1.0
    assert tries.after(Throttled(), took=1.0) == 1.0


def test_invariant_18_a_handler_that_did_not_return_twice_is_given_up_however_much_time_it_took() -> None:
    tries = _tries(RetryBudget(first=1))
    assert tries.after(HandlerStuck(seconds=120), took=130.0) == 1.0
    assert tries.after(HandlerStuck(seconds=120), took=130.0) is None
