"""Settings: one frozen model per service, built from the environment in its `app.py` and nowhere else."""

from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ORGANISATION = UUID("01900000-0000-7000-8000-0000b0074111")
"""The one organisation of a fresh installation. It stands on every row and event, so that more can follow."""


def _key_pair(value: SecretStr) -> SecretStr:
    kid, colon, key = value.get_secret_value().partition(":")
    if not (kid and colon and key):
        raise ValueError("write it as <key id>:<base64 of 32 bytes>")
    return value


def settings_of(prefix: str) -> SettingsConfigDict:
    """The configuration of a service's settings: variables start with `prefix`, secrets are never echoed."""
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="ignore", hide_input_in_errors=True)


class WebSettings(BaseSettings):
    """What a process needs that serves HTTP."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    log_level: str = "info"
    sandbox: bool = False
    """Test numbers are valid and http:// provider addresses allowed. Never in production."""


class ServiceSettings(WebSettings):
    """What every service needs that meets the others in Kafka."""

    organisation_id: UUID = ORGANISATION
    kafka: str
    """Bootstrap servers, `host:port[,host:port]`."""
    kafka_ephemeral: bool = False
    """The broker keeps nothing on disk (embedded): no idempotent producer, short sessions (reference: Tansu)."""
    seal_key: Annotated[SecretStr, AfterValidator(_key_pair)]
    """This service's private key: `<kid>:<base64>`."""
    seal_old_keys: dict[str, SecretStr] = Field(default_factory=dict)
    """Earlier private keys by kid, kept until the longest retention (60 days) is over."""
    seal_peers: dict[str, str]
    """Public keys of all services: {"otp/<kid>": base64}."""

    def own_seal_keys(self) -> dict[str, str]:
        """Private keys by kid, the newest last."""
        kid, _, key = self.seal_key.get_secret_value().partition(":")
        return {name: old.get_secret_value() for name, old in self.seal_old_keys.items()} | {kid: key}


S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """The settings from the environment. Ends the process with a sentence per wrong variable, never with its value."""
    try:
        return settings()
    except ValidationError as wrong:
        prefix = settings.model_config.get("env_prefix", "")
        errors = wrong.errors(include_input=False, include_url=False)
        raise SystemExit(
            "\n".join(f"{prefix}{_variable(error['loc'])}: {_said(error['msg'])}" for error in errors)
        ) from None


def _variable(path: tuple[int | str, ...]) -> str:
    return "_".join(str(step) for step in path).upper()


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
