"""What must be connected is: every event of the contract has its handler, settings refuse what would be unsafe."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.notifier.consumer import message_subscriptions, subscriptions
from services.notifier.settings import Settings
from shared.events import CONTRACT

ROOT = Path(__file__).parents[3]
KEY = b64encode(b"k" * 32).decode()
VALID: dict[str, Any] = {
    "kafka": "127.0.0.1:9092",
    "seal_key": f"1:{KEY}",
    "seal_peers": {"otp/1": KEY},
    "database_url": "postgresql://u:p@127.0.0.1/d",
    "valkey_url": "redis://127.0.0.1",
    "fingerprint_keys": {"1": KEY},
    "store_keys": {"1": KEY},
    "public_url": "https://n.boothline.in",
    "twilio_account_sid": "ACtest",
    "twilio_auth_token": "secret",
    "twilio_from": "+15005550006",
}


def test_every_event_that_the_contract_sends_to_the_notifier_has_a_handler() -> None:
    nobody: Any = None
    handled = {*message_subscriptions(nobody, nobody), *subscriptions(nobody, nobody, nobody)}
    wanted = {entry.event for entry in CONTRACT if "notifier" in entry.consumers}
    assert handled == wanted


def test_the_defaults_are_those_of_production() -> None:
    settings = Settings(**VALID)
    assert settings.twilio_base_url == "https://api.twilio.com"
    assert settings.telegram_api_base == "https://api.telegram.org"
    assert settings.test_number_prefixes == ()
    assert settings.twilio_two_way is False


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"twilio_base_url": "http://127.0.0.1:8500"}, "sandbox=true"),
        ({"twilio_base_url": "http://example.com", "sandbox": True}, "loopback"),
        ({"telegram_api_base": "http://example.com", "sandbox": True}, "loopback"),
        ({"public_url": "http://n.boothline.in"}, "https"),
        ({"public_url": "n.boothline.in"}, "https"),
        ({"test_number_prefixes": ["+91555"]}, "outside the sandbox"),
        ({"telegram_mode": "webhook", "telegram_token": "1:x"}, "telegram_webhook_secret"),
        ({"fingerprint_keys": {}}, "at least one key"),
        ({"store_keys": {"1": b64encode(b"short").decode()}}, "32 bytes"),
    ],
)
def test_unsafe_settings_are_refused_with_a_reason(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings(**{**VALID, **change})


def test_the_sandbox_may_use_loopback_and_test_numbers() -> None:
    change = {"sandbox": True, "twilio_base_url": "http://127.0.0.1:8500", "test_number_prefixes": ["+91555"]}
    assert Settings(**{**VALID, **change}).test_number_prefixes == ("+91555",)


def test_wrong_settings_end_the_process_with_a_sentence_and_no_secret() -> None:
    environment = {f"NOTIFIER_{k.upper()}": v if isinstance(v, str) else json.dumps(v) for k, v in VALID.items()}
    environment["NOTIFIER_PUBLIC_URL"] = "http://n.boothline.in"
    environment.pop("NOTIFIER_KAFKA")
    child = subprocess.run(
        [sys.executable, "-m", "services.notifier"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert child.returncode == 1
    assert "NOTIFIER_KAFKA: Field required" in child.stderr
    assert "Traceback" not in child.stderr
    assert KEY not in child.stderr


def test_what_migrates_does_not_load_the_bots_library() -> None:
    code = "import sys, services.notifier.app; sys.exit('aiogram' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0
