"""Counting SMS parts."""

import pytest

from services.notifier.domain.parts import Parts, count


@pytest.mark.parametrize(
    ("text", "encoding", "parts"),
    [
        ("", "gsm7", 1),
        ("a" * 160, "gsm7", 1),
        ("a" * 161, "gsm7", 2),
        ("a" * 306, "gsm7", 2),
        ("a" * 307, "gsm7", 3),
        ("€" * 80, "gsm7", 1),
        ("€" * 81, "gsm7", 2),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 3),  # an escaped sign does not straddle two parts
        ("क" * 70, "ucs2", 1),
        ("क" * 71, "ucs2", 2),
        ("क" * 134, "ucs2", 2),
        ("क" * 135, "ucs2", 3),
        ("😀" * 35, "ucs2", 1),
        ("😀" * 36, "ucs2", 2),
        ("a“quote”" * 9, "ucs2", 2),
        ("₹", "ucs2", 1),
    ],
)
def test_parts_of(text: str, encoding: str, parts: int) -> None:
    assert count(text) == Parts(encoding, parts)
