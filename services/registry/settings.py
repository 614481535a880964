"""Variables of the registry, all prefixed REGISTRY_."""

from base64 import b64decode
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from shared.settings import ServiceSettings, settings_of


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    if len(b64decode(value.get_secret_value(), validate=True)) != 32:  # binascii.Error is a ValueError
        raise ValueError("a key is base64 of 32 bytes")
    return value


Keys = Annotated[dict[str, Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]], Field(min_length=1)]


class Settings(ServiceSettings):
    """What the registry is told from outside."""

    model_config = settings_of("REGISTRY_")

    port: int = Field(default=8100, ge=0, le=65535)
    database_url: SecretStr
    """postgresql://user:password@host:port/database"""
    fingerprint_keys: Keys
    """Key version to base64, the newest last; two during a rotation. Held by registry and notifier only."""
    phone_keys: Keys
    """Key id to base64: phones and uploaded rows at rest, the newest last."""
    public_url: str
    """Where people reach the portal, without a slash at the end."""
    test_number_prefixes: tuple[str, ...] = ()
    """Numbers that no phone can have (+91555): valid in the sandbox only."""
    preset: str = "in-mp-2014"
    """What `bootstrap` installs."""
    relay: bool = True
    """Whether the serving process publishes events too; `python -m services.registry relay` does nothing else."""
    pool_size: int = Field(default=10, ge=2, le=100)
    """Connections at once: recordings share one, the consumer three, relay and announcements have one each; the rest is
    for pages and imports."""
    statement_timeout: float = Field(default=30.0, gt=0)
    """Seconds."""

    @model_validator(mode="after")
    def _test_numbers_only_in_the_sandbox(self) -> "Settings":
        if self.test_number_prefixes and not self.sandbox:
            raise ValueError("test_number_prefixes are refused outside the sandbox")
        return self

    def fingerprint_keys_plain(self) -> dict[str, str]:
        """For the fingerprinter."""
        return {version: key.get_secret_value() for version, key in self.fingerprint_keys.items()}

    def phone_keys_plain(self) -> dict[str, str]:
        """For the vault."""
        return {kid: key.get_secret_value() for kid, key in self.phone_keys.items()}
