"""A fresh .env for docker-compose.yml: every secret and key, and a place for what only the operator knows."""

import argparse
import os
import secrets
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

from stack.keys import Keys, make_keys

HEAD = """\
# Made by `python -m stack secrets`. These secrets belong to the data: who loses them loses the phones at rest, and who
# changes them cannot open what is stored. Keep a copy where nobody else can read it; never commit it.
"""
YOURS = """
# Prometheus and Grafana run too; with monitoring,operators also kafka-ui.
COMPOSE_PROFILES=monitoring

# Yours: nothing starts before these are set.
# Where people, Twilio and Telegram reach us: https://host, without a slash at the end.
REGISTRY_PUBLIC_URL=
OTP_PUBLIC_URL=
NOTIFIER_PUBLIC_URL=
# From Twilio's console; FROM is a number or a header. TWO_WAY: answers to it reach us.
TWILIO_ACCOUNT_SID=
TWILIO_AUTH_TOKEN=
TWILIO_FROM=
NOTIFIER_TWILIO_TWO_WAY=false
# From BotFather; the link is https://t.me/<name of the bot>.
TELEGRAM_TOKEN=
# OTP_TELEGRAM_LINK_BASE=
"""
_SANDBOX = "http://127.0.0.1:8500"
KAFKA_USERS = ("registry", "otp", "notifier", "console", "topics", "operator")
"""Whom Kafka knows with docker-compose.secure.yml. `operator` is what kminion and kafka-ui are."""


class FileExists(Exception):
    """Its secrets may belong to data that exists."""


def written(*, sandbox: bool) -> str:
    """The text of the file. `sandbox`: complete, with the made-up carrier and Bot API; nothing leaves the machine."""
    keys = make_keys()
    return HEAD + _lines(_made(keys)) + ("\n# The sandbox.\n" + _lines(_sandbox(keys)) if sandbox else YOURS)


def write(path: Path, *, sandbox: bool) -> None:
    """Writes the file with mode 0600. Raises FileExists."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise FileExists(f"{path} exists; its secrets may belong to data that you have. Move it away first.") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(written(sandbox=sandbox))


def _made(keys: Keys) -> dict[str, str]:
    return {
        "POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "REGISTRY_DATABASE_PASSWORD": secrets.token_urlsafe(24),
        "NOTIFIER_DATABASE_PASSWORD": secrets.token_urlsafe(24),
        "VALKEY_PASSWORD": secrets.token_urlsafe(24),
        "KAFKA_CLUSTER_ID": _cluster_id(),
        "SEAL_PEERS": keys.seal_peers,
        **{f"{service.upper()}_SEAL_KEY": key for service, key in keys.seal.items()},
        "FINGERPRINT_KEYS": keys.fingerprint,
        "REGISTRY_PHONE_KEYS": keys.phone,
        "OTP_CODE_KEYS": keys.code,
        "NOTIFIER_STORE_KEYS": keys.store,
        "NOTIFIER_TELEGRAM_WEBHOOK_SECRET": keys.telegram_webhook_secret,
        "OTP_OPERATOR_KEY": secrets.token_urlsafe(32),
        "NOTIFIER_OPERATOR_KEY": secrets.token_urlsafe(32),
        "CONSOLE_TOKEN": secrets.token_urlsafe(32),
        "GRAFANA_PASSWORD": secrets.token_urlsafe(24),
        "KAFKA_UI_PASSWORD": secrets.token_urlsafe(24),
        **{f"KAFKA_PASSWORD_{user.upper()}": secrets.token_urlsafe(24) for user in KAFKA_USERS},
    }


def _sandbox(keys: Keys) -> dict[str, str]:
    return {
        "COMPOSE_PROFILES": "sandbox",
        "SANDBOX": "true",
        "TEST_NUMBER_PREFIXES": '["+91555"]',
        "REGISTRY_PUBLIC_URL": "http://127.0.0.1:8100",
        "OTP_PUBLIC_URL": "http://127.0.0.1:8200",
        "NOTIFIER_PUBLIC_URL": "http://127.0.0.1:8300",
        "TWILIO_ACCOUNT_SID": keys.twilio_account,
        "TWILIO_AUTH_TOKEN": keys.twilio_token,
        "TWILIO_FROM": "+15005550006",
        "NOTIFIER_TWILIO_TWO_WAY": "true",
        "NOTIFIER_TWILIO_BASE_URL": _SANDBOX,
        "TELEGRAM_TOKEN": keys.telegram_token,
        "NOTIFIER_TELEGRAM_API_BASE": _SANDBOX,
        "NOTIFIER_TELEGRAM_LINK_BASE": f"{_SANDBOX}/t.me",
    }


def _cluster_id() -> str:
    """As Kafka writes them: 16 bytes in base64 of URLs. One that begins with a hyphen reads as an option."""
    while (made := urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _lines(values: dict[str, str]) -> str:
    """In single quotes compose takes everything as it stands."""
    return "".join(f"{name}='{value}'\n" for name, value in values.items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stack.secrets_file", description=__doc__)
    parser.add_argument("--sandbox", action="store_true", help="with the made-up carrier and Bot API")
    sys.stdout.write(written(sandbox=parser.parse_args().sandbox))
