"""The demo's cast."""

from collections import Counter

from stack.demo.cast import CAST, Behaviour, cast
from stack.fixture import Size, booths, people


def test_the_cast_gets_60_appointments_on_60_seats() -> None:
    workers = cast(list(booths(Size())), people(200), CAST)
    seats = [seat for worker in workers for seat in worker.seats]
    assert len(set(seats)) == 60
    assert len({worker.person.phone for worker in workers}) == len(workers) == 59


def test_every_behaviour_is_shown_and_mixed_in_from_the_start() -> None:
    workers = cast(list(booths(Size())), people(200), CAST)
    assert Counter(worker.behaviour for worker in workers) == CAST
    assert {Behaviour.TELEGRAM, Behaviour.SMS, Behaviour.WEB} <= {worker.behaviour for worker in workers[:6]}


def test_only_those_who_refuse_end_refused() -> None:
    assert {behaviour for behaviour in Behaviour if behaviour.ends == "refused"} == {
        Behaviour.REFUSES_BY_TELEGRAM,
        Behaviour.REFUSES_BY_SMS,
        Behaviour.REFUSES_ON_PAGE,
    }


def test_a_dead_number_has_a_right_one_that_nobody_else_has() -> None:
    workers = cast(list(booths(Size())), people(200), CAST)
    right = [worker.right_phone for worker in workers if worker.right_phone]
    assert len(right) == CAST[Behaviour.DEAD_NUMBER]
    assert not set(right) & {worker.person.phone for worker in workers}
