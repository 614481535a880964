"""Phone numbers: every spelling is one number, and only mobiles pass."""

import hashlib
import hmac
from base64 import b64encode

import pytest

from shared.phone import CountryNotServed, Fingerprinter, NotAMobile, NotAPhone, last3, mask, normalise

KEY = b64encode(b"k" * 32).decode()
OTHER_KEY = b64encode(b"o" * 32).decode()


@pytest.mark.parametrize(
    "raw",
    [
        "9812345678",
        "09812345678",
        "0091 98123 45678",
        "+91 98123-45678",
        "919812345678",
        "(+91) 9812345678",
        "९८१२३४५६७८",
        "+९१ ९८१२३ ४५६७८",
        " 98123 45678 ",
    ],
)
def test_every_spelling_is_one_number(raw: str) -> None:
    assert normalise(raw) == "+919812345678"


@pytest.mark.parametrize(
    ("raw", "failure"),
    [
        ("", NotAPhone),
        ("hello", NotAPhone),
        ("12345", NotAPhone),
        ("98123456789012", NotAPhone),
        ("9812345678 ext 12", NotAPhone),
        ("0755 2550000", NotAMobile),
        ("1800 180 1551", NotAMobile),
        ("1600123456", NotAMobile),
        ("5551234567", NotAPhone),
        ("+1 202 456 1111", CountryNotServed),
        ("+977 9841 234567", CountryNotServed),
    ],
)
def test_what_is_not_a_served_mobile_is_refused_with_its_reason(raw: str, failure: type[Exception]) -> None:
    with pytest.raises(failure) as caught:
        normalise(raw)
    assert not raw or raw not in str(caught.value)


def test_other_countries_are_served_when_they_are_listed() -> None:
    assert normalise("+977 9841 234567", countries=("IN", "NP")) == "+9779841234567"


def test_test_numbers_are_valid_only_where_their_prefix_is_allowed() -> None:
    assert normalise("555 1234567", test_prefixes=("+91555",)) == "+915551234567"
    with pytest.raises(NotAPhone):
        normalise("555 1234567")
    with pytest.raises(NotAPhone):
        normalise("555 12345678", test_prefixes=("+91555",))


def test_people_are_shown_the_last_three_digits() -> None:
    assert mask("+919812345678") == "+91*******678"
    assert last3("+919812345678") == "678"


def test_a_fingerprint_is_a_keyed_hash_of_the_one_spelling() -> None:
    expected = hmac.new(b"k" * 32, b"+919812345678", hashlib.sha256).hexdigest()
    assert Fingerprinter({"f1": KEY}).of(normalise("09812345678")) == {"f1": expected}


def test_during_a_rotation_there_is_one_fingerprint_per_key() -> None:
    fingerprinter = Fingerprinter({"f1": KEY, "f2": OTHER_KEY})
    prints = fingerprinter.of("+919812345678")
    assert list(prints) == ["f1", "f2"]
    assert prints["f1"] != prints["f2"]
    assert (fingerprinter.oldest, fingerprinter.newest) == ("f1", "f2")


@pytest.mark.parametrize("keys", [{}, {"f1": b64encode(b"short").decode()}, {"f1": "not base64!"}])
def test_weak_or_missing_keys_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # binascii's own error is a ValueError too
        Fingerprinter(keys)
