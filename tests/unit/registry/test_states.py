"""State x event: ended wins, older cycles change nothing, and whoever confirmed in vain is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.states import Effect, Heard, State, effect

states = st.sampled_from(State)
heards = st.sampled_from(Heard)
cycles = st.integers(1, 5)


@given(heards, cycles, cycles)
def test_ended_stays_ended_whatever_is_heard(heard: Heard, cycle: int, heard_cycle: int) -> None:
    assert effect(State.ENDED, cycle, heard, heard_cycle) == Effect(tell_ended=heard is Heard.VERIFIED)


@given(states, heards, cycles, cycles)
def test_another_cycle_changes_nothing(state: State, heard: Heard, cycle: int, heard_cycle: int) -> None:
    if heard_cycle != cycle:
        result = effect(state, cycle, heard, heard_cycle)
        assert result.becomes is None
        assert result.tell_ended == (heard is Heard.VERIFIED)


@given(states, heards, cycles)
def test_only_a_recorded_appointment_changes_and_then_to_what_was_heard(state: State, heard: Heard, cycle: int) -> None:
    result = effect(state, cycle, heard, cycle)
    if state is State.RECORDED and heard not in {Heard.OPENED, Heard.CLOSED}:
        assert result == Effect(becomes=State(heard.value))
    else:
        assert result.becomes is None


@given(states, heards, cycles, cycles)
def test_somebody_is_told_only_when_a_confirmation_has_no_effect(
    state: State, heard: Heard, cycle: int, heard_cycle: int
) -> None:
    result = effect(state, cycle, heard, heard_cycle)
    if result.tell_ended:
        assert heard is Heard.VERIFIED
        assert result.becomes is None


@given(st.lists(st.tuples(heards, cycles, st.booleans()), max_size=30))
def test_no_sequence_of_events_revives_an_ended_appointment_or_verifies_twice(
    story: list[tuple[Heard, int, bool]],
) -> None:
    state, cycle, verified = State.RECORDED, 1, 0
    for heard, heard_cycle, ends in story:
        state = State.ENDED if ends else state
        result = effect(state, cycle, heard, heard_cycle)
        verified += result.becomes is State.VERIFIED
        if result.becomes is not None:
            assert state is State.RECORDED
            state = result.becomes
    assert verified <= 1


@pytest.mark.parametrize("state", State)
def test_a_seat_is_held_by_recorded_and_verified_only(state: State) -> None:
    assert state.live == (state in {State.RECORDED, State.VERIFIED})


def test_what_was_proved_or_ended_is_neither_corrected_nor_reissued() -> None:
    assert {state for state in State if state.correctable} == {
        State.RECORDED, State.REFUSED, State.LOCKED, State.EXPIRED,
    }  # fmt: skip
    assert {state for state in State if state.reissuable} == {State.LOCKED, State.EXPIRED}
