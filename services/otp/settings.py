"""Settings of otp: variables that start with OTP_."""

from base64 import b64decode
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, UrlConstraints, model_validator

from services.otp.domain.policy import Policy
from shared.settings import ServiceSettings, settings_of


def _keys(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if not value:
        raise ValueError("at least one key is needed")
    for key in value.values():
        if len(b64decode(key.get_secret_value(), validate=True)) != 32:
            raise ValueError("every key is base64 of 32 bytes")
    return value


def _public(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.path.rstrip("/") or parts.query or parts.fragment:
        raise ValueError("write it as https://host[:port]")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("must be https, except on loopback")
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _peers(value: dict[str, str]) -> dict[str, str]:
    for needed in ("registry", "notifier"):
        if not any(name.startswith(f"{needed}/") for name in value):
            raise ValueError(f"there is no key of {needed}")
    return value


TelegramLink = Annotated[HttpUrl, UrlConstraints(allowed_schemes=["https", "http"])]


class OtpSettings(ServiceSettings):
    """What otp needs. Limits may be made stricter than the rules, never laxer."""

    model_config = settings_of("OTP_")

    port: int = Field(default=8200, ge=0, le=65535)
    seal_peers: Annotated[dict[str, str], AfterValidator(_peers)]
    """Without the notifier's key no message could be sealed, and each would be set aside."""
    valkey_url: SecretStr
    """redis://[:password@]host:port/db: one primary (the scripts touch keys of several slots)."""
    code_keys: Annotated[dict[str, SecretStr], AfterValidator(_keys)]
    """JSON: key id -> base64 of 32 bytes, the newest last. An old key stays as long as its challenges (7 days)."""
    public_url: Annotated[str, AfterValidator(_public)]
    """Where the confirm page is reached: stands in every SMS, so keep it short."""
    telegram_link_base: TelegramLink | None = None
    """https://t.me/<bot>: the page then offers Telegram as well."""
    operator_key: SecretStr | None = Field(default=None, min_length=32)
    """Who may call POST /v1/republish; without it the endpoint does not exist."""
    relays: int = Field(default=1, ge=1, le=8)

    code_seconds: int = Field(default=600, ge=60, le=600)
    """Hard maximum 600 (NIST SP 800-63B 5.1.3.2)."""
    guesses: int = Field(default=5, ge=1, le=5)
    """otp.md rule 4."""
    sends_per_challenge: int = Field(default=5, ge=1, le=5)
    """otp.md rule 14."""
    sends_per_hour: int = Field(default=5, ge=1, le=5)
    """Per number, otp.md rule 14."""
    sends_per_day: int = Field(default=10, ge=1, le=10)
    """Per number, otp.md rule 14."""
    unknown_wait_seconds: int = Field(default=45, ge=1, le=600)
    """Before a message of unknown outcome is attempted anew (otp.md rule 23)."""
    sweep_seconds: float = Field(default=1.0, gt=0, le=60)

    @model_validator(mode="after")
    def _margins(self) -> "OtpSettings":
        if self.code_seconds <= Policy().message_margin:
            raise ValueError("code_seconds leaves no time to send the message")
        return self

    def policy(self) -> Policy:
        """The numbers as rules."""
        return Policy(
            code=self.code_seconds,
            code_margin=min(Policy().code_margin, self.code_seconds),
            guesses=self.guesses,
            sends_per_challenge=self.sends_per_challenge,
            per_number=((self.sends_per_hour, 3600), (self.sends_per_day, 86400)),
            unknown_wait=self.unknown_wait_seconds,
        )

    def keys(self) -> dict[str, bytes]:
        """The code keys by kid, the newest last."""
        return {kid: b64decode(key.get_secret_value()) for kid, key in self.code_keys.items()}
