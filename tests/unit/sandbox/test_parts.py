"""Parts of an SMS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.domain.parts import GSM_BASIC, parts


@pytest.mark.parametrize(
    ("text", "gsm", "units", "count"),
    [
        ("", True, 0, 1),
        ("x" * 160, True, 160, 1),
        ("x" * 161, True, 161, 2),
        ("x" * 306, True, 306, 2),
        ("x" * 307, True, 307, 3),
        ("€" * 80, True, 160, 1),
        ("x" * 152 + "€" + "x" * 152, True, 306, 3),  # the euro does not fit into the first part's last septet
        ("क" * 70, False, 70, 1),
        ("क" * 71, False, 71, 2),
        ("क" * 135, False, 135, 3),
        ("📱" * 35, False, 70, 1),
        ("📱" * 36, False, 72, 2),
        ("`", False, 1, 1),
        ("₹ 100", False, 5, 1),
    ],
)
def test_parts_are_counted_as_carriers_count(text: str, gsm: bool, units: int, count: int) -> None:
    counted = parts(text)
    assert (counted.gsm, counted.units, counted.count) == (gsm, units, count)


@given(st.text(alphabet=sorted(GSM_BASIC), max_size=1000))
def test_plain_gsm_text_needs_as_many_parts_as_153_septets_each_give(text: str) -> None:
    assert parts(text).count == (1 if len(text) <= 160 else -(-len(text) // 153))


@given(st.text(max_size=500))
def test_no_text_needs_fewer_parts_than_its_units(text: str) -> None:
    counted = parts(text)
    assert counted.count >= counted.units / (160 if counted.gsm else 70)
