"""What the registry refuses to start with."""

import json
from base64 import b64encode

import pytest
from pydantic import ValidationError

from services.registry.app import main
from services.registry.settings import Settings

KEY = b64encode(bytes(32)).decode()
GOOD = {
    "REGISTRY_KAFKA": "127.0.0.1:1",
    "REGISTRY_SEAL_KEY": f"1:{KEY}",
    "REGISTRY_SEAL_PEERS": "{}",
    "REGISTRY_DATABASE_URL": "postgresql://u:secret@127.0.0.1/d",
    "REGISTRY_FINGERPRINT_KEYS": json.dumps({"1": KEY}),
    "REGISTRY_PHONE_KEYS": json.dumps({"1": KEY}),
    "REGISTRY_PUBLIC_URL": "http://127.0.0.1:8100",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_good_settings_are_read_and_print_no_secret(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.port == 8100
    assert "secret" not in repr(settings)
    assert KEY not in repr(settings)


def test_test_numbers_outside_the_sandbox_are_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REGISTRY_TEST_NUMBER_PREFIXES", '["+91555"]')
    with pytest.raises(ValidationError, match="sandbox"):
        Settings()
    environment.setenv("REGISTRY_SANDBOX", "true")
    assert Settings().test_number_prefixes == ("+91555",)


@pytest.mark.parametrize("name", ["REGISTRY_PHONE_KEYS", "REGISTRY_FINGERPRINT_KEYS"])
@pytest.mark.parametrize("value", ["{}", '{"1": "c2hvcnQ="}', '{"1": "%%"}'])
def test_missing_short_and_garbled_keys_are_refused_without_showing_them(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert "c2hvcnQ=" not in str(raised.value)


def test_a_process_says_in_a_sentence_what_is_wrong_with_its_settings(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("REGISTRY_PUBLIC_URL")
    environment.setenv("REGISTRY_POOL_SIZE", "none")
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])
    lines = str(ended.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["REGISTRY_PUBLIC_URL", "REGISTRY_POOL_SIZE"]
