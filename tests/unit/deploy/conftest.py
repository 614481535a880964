"""The compose file as it stands, and the two kinds of .env that go with it."""

from pathlib import Path
from typing import Any

import pytest

from stack.secrets_file import written
from tests.unit.deploy.compose_file import dotenv, read

ROOT = Path(__file__).resolve().parents[3]
YOURS = {
    "REGISTRY_PUBLIC_URL": "https://portal.example.org",
    "OTP_PUBLIC_URL": "https://c.example.org",
    "NOTIFIER_PUBLIC_URL": "https://hooks.example.org",
    "TWILIO_ACCOUNT_SID": "AC00000000000000000000000000000001",
    "TWILIO_AUTH_TOKEN": "made-up",
    "TWILIO_FROM": "+15005550006",
    "TELEGRAM_TOKEN": "1234567890:made-up-token-of-a-bot-that-is-not",
}
"""What only the operator knows."""


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml as data."""
    return read((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its services by name."""
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="session", params=["real", "sandbox"])
def env(request: pytest.FixtureRequest) -> dict[str, str]:
    """A fresh .env: the real one with the operator's part filled in, or the sandbox's as it was written."""
    if request.param == "sandbox":
        return dotenv(written(sandbox=True))
    return dotenv(written(sandbox=False)) | YOURS
