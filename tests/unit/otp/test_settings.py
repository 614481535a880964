"""Settings refuse what the rules forbid, and show no secret."""

from base64 import b64encode
from typing import Any

import pytest
from pydantic import ValidationError

from services.otp.settings import OtpSettings

KEY = b64encode(b"k" * 32).decode()
PUBLIC = b64encode(b"p" * 32).decode()
GOOD: dict[str, Any] = {
    "kafka": "127.0.0.1:9092",
    "seal_key": f"a:{KEY}",
    "seal_peers": {"registry/a": PUBLIC, "notifier/a": PUBLIC},
    "valkey_url": "redis://:secret@127.0.0.1:6379/0",
    "code_keys": {"k1": KEY},
    "public_url": "https://c.example.org/",
}


def test_the_defaults_are_the_rules() -> None:
    policy = OtpSettings(**GOOD).policy()
    assert (policy.code, policy.guesses, policy.sends_per_challenge) == (600, 5, 5)
    assert policy.cooldowns == (30, 60, 120, 300)
    assert policy.per_number == ((5, 3600), (10, 86400))
    assert OtpSettings(**GOOD).public_url == "https://c.example.org"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_seconds": 601},
        {"code_seconds": 60},
        {"guesses": 6},
        {"sends_per_challenge": 6},
        {"sends_per_hour": 6},
        {"sends_per_day": 11},
        {"public_url": "http://c.example.org"},
        {"public_url": "https://c.example.org/path"},
        {"public_url": "c.example.org"},
        {"code_keys": {}},
        {"code_keys": {"k1": "c2hvcnQ="}},
        {"code_keys": {"k1": "not base64!"}},
        {"operator_key": "short"},
        {"seal_peers": {"registry/a": PUBLIC}},
        {"seal_peers": {"notifier/a": PUBLIC}},
        {"telegram_link_base": "ftp://t.me/bot"},
    ],
)
def test_laxer_than_the_rules_is_refused_without_showing_the_value(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        OtpSettings(**{**GOOD, **wrong})
    assert KEY not in str(caught.value)
    assert "c2hvcnQ=" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"])
def test_plain_http_is_allowed_on_loopback(url: str) -> None:
    assert OtpSettings(**{**GOOD, "public_url": url}).public_url == url


def test_secrets_do_not_show_in_the_settings() -> None:
    shown = repr(OtpSettings(**GOOD))
    assert KEY not in shown
    assert "secret@" not in shown
