"""Codes and handles are derived, uniform, and apart from each other."""

import ast
import math
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.otp.domain.codes import Codes, counting_fingerprint, hash_of, typed_code
from shared import ids

KEY_1, KEY_2 = b"1" * 32, b"2" * 32
CHALLENGE = UUID(int=1)
PHONE = {"v1": "ab" * 32}
OTP = Path(__file__).parents[3] / "services" / "otp"


def test_codes_are_six_uniform_digits_and_keep_leading_noughts() -> None:
    """otp.md rule 1: chi-square over 10^6 codes at p > 0.001, over all codes folded to 1000 cells and by digit."""
    codes = Codes({"k": KEY_1})
    total, counts = 1_000_000, [0] * 1_000_000
    for number in range(total):
        code = codes.code("k", CHALLENGE, number)
        counts[int(code)] += len(code) == 6
    assert sum(counts) == total
    thousands = [sum(counts[start : start + 1000]) for start in range(0, total, 1000)]
    assert _chi_square(thousands, total) < 999 + 3.09 * math.sqrt(2 * 999)
    for place in range(6):
        digits = [0] * 10
        for value, count in enumerate(counts):
            digits[value // 10**place % 10] += count
        assert _chi_square(digits, total) < 27.88  # 9 degrees of freedom
    assert thousands[0] > 0


def _chi_square(cells: list[int], total: int) -> float:
    expected = total / len(cells)
    return sum((cell - expected) ** 2 / expected for cell in cells)


def test_handles_are_128_bits_in_the_alphabet_of_telegram_links() -> None:
    codes = Codes({"k": KEY_1})
    handles = {codes.handle("k", ids.new_id()) for _ in range(2000)}
    assert len(handles) == 2000
    assert all(len(handle) == 22 and handle.replace("-", "").replace("_", "").isalnum() for handle in handles)


@given(n=st.integers(0, 2**32 - 1), other=st.integers(0, 2**32 - 1))
def test_the_same_place_gives_the_same_code_and_every_input_counts(n: int, other: int) -> None:
    codes, rotated = Codes({"k": KEY_1}), Codes({"k": KEY_1, "new": KEY_2})
    assert codes.code("k", CHALLENGE, n) == rotated.code("k", CHALLENGE, n)
    inputs = {("k", 1, n), ("k", 1, other), ("new", 1, n), ("k", 2, n)}
    digests = {rotated._mac(kid, "code", UUID(int=who).bytes, number.to_bytes(4)) for kid, who, number in inputs}
    assert len(digests) == len(inputs)


def test_the_newest_key_serves_and_one_that_is_gone_says_so() -> None:
    codes = Codes({"old": KEY_1, "new": KEY_2})
    assert codes.newest == "new"
    with pytest.raises(KeyError):
        Codes({"new": KEY_2}).code("old", CHALLENGE, 1)


def test_a_candidate_carries_no_code_and_matches_its_guess_under_its_own_key() -> None:
    codes = Codes({"old": KEY_1, "new": KEY_2})
    first, *rest = codes.candidates("old", CHALLENGE, 6, PHONE)
    code = codes.code("old", CHALLENGE, 7)
    assert (first.n, [each.n for each in rest]) == (7, [8, 9, 10])
    assert code not in repr(first)
    handle_hash = hash_of(codes.handle("old", CHALLENGE))
    assert codes.guess_digests(handle_hash, code)["old"] == first.digest
    assert codes.guess_digests(handle_hash, code)["new"] != first.digest
    assert codes.phone_digests(PHONE, code)["old"]["v1"] == first.phone["old"]["v1"]
    assert set(first.phone) == {"old", "new"}


def test_digests_of_one_code_differ_by_challenge_phone_and_purpose() -> None:
    codes = Codes({"k": KEY_1})
    digests = [
        codes.guess_digests("00" * 32, "482107")["k"],
        codes.guess_digests("01" * 32, "482107")["k"],
        codes.phone_digests({"v": "00" * 32}, "482107")["k"]["v"],
        codes.phone_digests({"v": "01" * 32}, "482107")["k"]["v"],
    ]
    assert len(set(digests)) == 4
    assert {len(digest) for digest in digests} == {64}


def test_counters_stay_under_the_older_key_version() -> None:
    assert counting_fingerprint({"v10": "b", "v9": "a"}) == "a"
    assert counting_fingerprint({"v2": "b"}) == "b"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("482107", "482107"),
        (" 482 107 ", "482107"),
        ("482-107", "482107"),
        ("(482) 107.", "482107"),
        ("४८२१०७", "482107"),
        ("48२1०7", "482107"),
        ("\u200e482107\u202f", "482107"),
        ("000000", "000000"),
        ("48210", None),
        ("4821070", None),
        ("48210a", None),
        ("48210²", None),
        ("", None),
        ("-482107", "482107"),
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str, code: str | None) -> None:
    assert typed_code(typed) == code


def test_no_code_or_digest_is_compared_by_equality_in_python() -> None:
    """otp.md rule 11: scripts compare digests of one length; Python never does."""
    suspicious = {"code", "guess", "digest", "typed", "handle", "key"}
    for path in OTP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
                for side in (node.left, *node.comparators):
                    name = getattr(side, "id", getattr(side, "attr", None))
                    assert name not in suspicious, f"{path.name}:{node.lineno}"


def test_digests_are_compared_in_lua_without_an_early_end() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (OTP / "lua").glob("*.lua"))
    for line in text.splitlines():
        assert not ("digest" in line and "==" in line and "type(" not in line), line
