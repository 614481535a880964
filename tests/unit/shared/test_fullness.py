"""A refused write is remembered for half a minute."""

from shared.fullness import LATELY, Fullness


def test_a_refused_write_is_remembered_and_then_forgotten() -> None:
    now = [1000.0]
    fullness = Fullness(lambda: now[0])
    assert not fullness.lately
    fullness.refused()
    assert fullness.lately
    now[0] += LATELY - 1
    assert fullness.lately
    now[0] += 1
    assert not fullness.lately
