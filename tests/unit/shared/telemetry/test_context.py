"""What is a child, what is linked, what is recorded."""

from datetime import timedelta

import pytest

from shared.telemetry.context import FRESH, Origin, continue_trace, is_sampled, new_trace, origin, trace_ids

YES = f"00-{'a' * 32}-{'b' * 16}-01"
NO = f"00-{'a' * 32}-{'b' * 16}-00"
SOON, LATE = timedelta(seconds=1), FRESH + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("cause", "age", "own", "bulk", "draw", "expected"),
    [
        (None, SOON, False, False, 0.99, Origin(None, None, recorded=True)),  # a person waits: always
        (None, SOON, False, True, 0.99, Origin(None, None, recorded=False)),
        (None, SOON, False, True, 0.001, Origin(None, None, recorded=True)),
        (YES, SOON, False, False, 0.99, Origin(YES, None, recorded=True)),
        (YES, SOON, False, True, 0.99, Origin(YES, None, recorded=True)),  # a child is as its parent
        (NO, SOON, False, False, 0.001, Origin(NO, None, recorded=False)),
        (YES, SOON, True, True, 0.99, Origin(None, YES, recorded=False)),
        (YES, SOON, True, True, 0.001, Origin(None, YES, recorded=True)),
        (NO, SOON, True, True, 0.001, Origin(None, NO, recorded=False)),
        (YES, LATE, False, False, 0.99, Origin(None, YES, recorded=True)),  # a replay is its own trace
        (NO, LATE, False, False, 0.001, Origin(None, NO, recorded=False)),
        (YES, FRESH, False, False, 0.99, Origin(YES, None, recorded=True)),
    ],
)
def test_a_machines_hop_is_a_child_and_what_stands_apart_is_linked(  # noqa: PLR0917 # columns of a table
    cause: str | None, age: timedelta, own: bool, bulk: bool, draw: float, expected: Origin
) -> None:
    assert origin(cause, age=age, own=own, bulk=bulk, sample=0.01, draw=draw) == expected


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_none_and_all_are_shares_too(sample: float) -> None:
    for draw in (0.0, 0.999999):
        assert origin(None, age=SOON, own=False, bulk=True, sample=sample, draw=draw).recorded is bool(sample)


@pytest.mark.parametrize(
    "garbage",
    [
        "", "garbage", YES[:-1], YES + "0", YES.upper(), f"01{YES[2:]}", YES.replace("a", "g"), YES + "\n",
        f"00-{'0' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'0' * 16}-01", "00-" + "+915550000210".zfill(32) + YES[35:],
    ],
)  # fmt: skip
def test_garbage_begins_a_new_trace(garbage: str) -> None:
    fresh = continue_trace(garbage)
    assert fresh != garbage
    assert continue_trace(fresh) == fresh
    assert is_sampled(fresh)


def test_a_new_trace_is_no_other_and_says_whether_it_is_recorded() -> None:
    traces = {new_trace(recorded=False) for _ in range(100)}
    assert len({trace_ids(trace) for trace in traces}) == 100
    assert not any(is_sampled(trace) for trace in traces)
