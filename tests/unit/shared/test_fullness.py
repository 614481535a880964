"""A refused write is remembered for half a minute."""

from shared.fullness import LATELY, Fullness


def test_a_refused_write_is_remembered_and_then_forgotten() -> None:
    now = [1000.0]
    fullness = Fullness(lambda: now[0])
    seen = [fullness.lately]
    fullness.refused()
    for later in (0.0, LATELY - 1, 1.0):
        now[0] += later
        seen.append(fullness.lately)
    assert seen == [False, True, True, False]
