"""Fresh secrets for Kubernetes: a file for each service, as kustomize's secretGenerator reads them."""

import os
import secrets
from pathlib import Path

from stack.keys import make_keys
from stack.secrets_file import FileExists

DATABASES = "postgresql.postgresql:5432"
MEMORY = "valkey.valkey:6379"


def written() -> dict[str, str]:
    """The text of each file by the service's name. What only the operator knows is empty; hosts and passwords of
    PostgreSQL, Valkey and Kafka are for the operator to set there too."""
    keys = make_keys()
    valkey = secrets.token_urlsafe(24)
    values: dict[str, dict[str, str]] = {
        "registry": {
            "DATABASE_URL": f"postgresql://registry:{secrets.token_urlsafe(24)}@{DATABASES}/registry",
            "FINGERPRINT_KEYS": keys.fingerprint,
            "PHONE_KEYS": keys.phone,
        },
        "otp": {
            "VALKEY_URL": f"redis://:{valkey}@{MEMORY}/0",
            "CODE_KEYS": keys.code,
            "OPERATOR_KEY": secrets.token_urlsafe(32),
        },
        "notifier": {
            "DATABASE_URL": f"postgresql://notifier:{secrets.token_urlsafe(24)}@{DATABASES}/notifier",
            "VALKEY_URL": f"redis://:{valkey}@{MEMORY}/1",
            "FINGERPRINT_KEYS": keys.fingerprint,
            "STORE_KEYS": keys.store,
            "OPERATOR_KEY": secrets.token_urlsafe(32),
            "TELEGRAM_WEBHOOK_SECRET": keys.telegram_webhook_secret,
            "TELEGRAM_TOKEN": "",
            "TWILIO_ACCOUNT_SID": "",
            "TWILIO_AUTH_TOKEN": "",
            "TWILIO_FROM": "",
        },
        "console": {"TOKEN": secrets.token_urlsafe(32)},
        "topics": {},
    }
    for service, key in keys.seal.items():
        values[service] |= {"SEAL_KEY": key, "SEAL_PEERS": keys.seal_peers}
    for of_service in values.values():
        of_service["KAFKA_PASSWORD"] = secrets.token_urlsafe(24)
    return {service: _lines(service, found) for service, found in values.items()}


def write(folder: Path) -> None:
    """Writes `<service>.env` into `folder`, which must not exist, for its owner only. Raises FileExists."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise FileExists(
            f"{folder} exists; its secrets may belong to data that you have. Move it away first."
        ) from error
    for service, text in written().items():
        handle = os.open(folder / f"{service}.env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)


def _lines(service: str, values: dict[str, str]) -> str:
    """kustomize takes everything after the first = as it stands, quotes too."""
    return "".join(f"{service.upper()}_{name}={value}\n" for name, value in values.items())
