"""Secrets of one installation, made anew with its data: nothing of them is in the repository."""

import json
import secrets
from base64 import b64encode
from dataclasses import dataclass

from nacl.public import PrivateKey

SEALING = ("registry", "otp", "notifier")
"""The services that seal fields for each other."""


@dataclass(frozen=True, repr=False)
class Keys:
    """Every secret, as the services read it from their environment."""

    seal: dict[str, str]
    """By service: `<kid>:<base64 private key>`."""
    seal_peers: str
    """JSON: `service/kid` to base64 public key."""
    fingerprint: str
    """JSON by version; held by registry and notifier only (decision: who holds it can list every mobile)."""
    phone: str
    store: str
    code: str
    """JSON by key id: phones at rest in registry, personal fields at rest in notifier, codes and handles in otp."""
    telegram_token: str
    telegram_webhook_secret: str
    twilio_account: str
    twilio_token: str


def make_keys() -> Keys:
    """Fresh secrets."""
    pairs = {service: PrivateKey.generate() for service in SEALING}
    return Keys(
        seal={service: f"1:{b64encode(bytes(key)).decode()}" for service, key in pairs.items()},
        seal_peers=json.dumps(
            {f"{service}/1": b64encode(bytes(key.public_key)).decode() for service, key in pairs.items()}
        ),
        fingerprint=_ring(),
        phone=_ring(),
        store=_ring(),
        code=_ring(),
        telegram_token=f"{secrets.randbelow(9 * 10**9) + 10**9}:{secrets.token_urlsafe(26)[:35]}",
        telegram_webhook_secret=secrets.token_urlsafe(24),
        twilio_account=f"AC{secrets.token_hex(16)}",
        twilio_token=secrets.token_hex(16),
    )


def _ring() -> str:
    return json.dumps({"1": b64encode(secrets.token_bytes(32)).decode()})
