"""Settings of the notifier: variables that start with NOTIFIER_."""

from base64 import b64decode
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from shared.settings import ServiceSettings, settings_of


def _keys(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if not value:
        raise ValueError("at least one key is needed")
    for key in value.values():
        if len(b64decode(key.get_secret_value(), validate=True)) != 32:
            raise ValueError("every key is base64 of 32 bytes")
    return value


def _base(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write it as https://host[:port]")
    return value.rstrip("/")


def loopback(url: str) -> bool:
    """Whether the URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Keys = Annotated[dict[str, SecretStr], AfterValidator(_keys)]
Base = Annotated[str, AfterValidator(_base)]


class Settings(ServiceSettings):
    """What the notifier needs. http:// provider addresses and test numbers are for the sandbox alone."""

    model_config = settings_of("NOTIFIER_")

    port: int = Field(default=8300, ge=0, le=65535)
    database_url: SecretStr
    valkey_url: SecretStr
    fingerprint_keys: Keys
    """JSON: key version -> base64 of 32 bytes, the newest last; the same as the registry's."""
    store_keys: Keys
    """JSON: key id -> base64 of 32 bytes, the newest last: encryption at rest."""
    public_url: Base
    """Where providers reach us: callbacks are signed over it."""
    operator_key: SecretStr | None = Field(default=None, min_length=32)
    """Who may call POST /v1/republish; without it the endpoint does not exist."""
    test_number_prefixes: tuple[str, ...] = ()

    twilio_account_sid: str = Field(min_length=1)
    twilio_auth_token: SecretStr
    twilio_base_url: Base = "https://api.twilio.com"
    twilio_from: str = Field(min_length=1)
    """Number in E.164, or an alphanumeric header (then two_way is false)."""
    twilio_two_way: bool = False
    """Whether answers to the sender reach us; a text invites one only then."""
    sms_per_second: int = Field(default=100, ge=1, le=10_000)
    """Parts a second, as contracted for the sender."""
    sms_reserved: int = Field(default=20, ge=0)
    """Of these, places that announcements never take."""

    telegram_token: SecretStr | None = None
    telegram_api_base: Base = "https://api.telegram.org"
    telegram_link_base: Base = "https://t.me"
    telegram_mode: Literal["polling", "webhook"] = "polling"
    telegram_webhook_secret: SecretStr | None = Field(default=None, min_length=16, max_length=256)
    telegram_per_second: int = Field(default=28, ge=1, le=1000)
    """Telegram allows about 30 a second for each bot (telegram.md 1.1); the rest is for clocks and networks."""
    telegram_reserved: int = Field(default=8, ge=0)

    urgent_workers: int = Field(default=32, ge=1, le=256)
    bulk_workers: int = Field(default=64, ge=1, le=512)

    @model_validator(mode="after")
    def _only_in_the_sandbox(self) -> Self:
        for name in ("twilio_base_url", "telegram_api_base"):
            url: str = getattr(self, name)
            if url.startswith("http:") and not (self.sandbox and loopback(url)):
                raise ValueError(f"{name}: http:// only to loopback and with sandbox=true")
        if self.public_url.startswith("http:") and not loopback(self.public_url):
            raise ValueError("public_url: must be https, except on loopback")
        if self.test_number_prefixes and not self.sandbox:
            raise ValueError("test_number_prefixes are refused outside the sandbox")
        if self.telegram_mode == "webhook" and self.telegram_token and not self.telegram_webhook_secret:
            raise ValueError("telegram_mode webhook needs telegram_webhook_secret")
        return self

    def keys(self, name: Literal["fingerprint_keys", "store_keys"]) -> dict[str, str]:
        """Keys by id, the newest last."""
        return {kid: key.get_secret_value() for kid, key in getattr(self, name).items()}
