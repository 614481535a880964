"""Settings: one frozen model per service, built from the environment in its `app.py` and nowhere else."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ORGANISATION = UUID("01900000-0000-7000-8000-0000b0074111")
"""The one organisation of a fresh installation. It stands on every row and event, so that more can follow."""


def _key_pair(value: SecretStr) -> SecretStr:
    kid, colon, key = value.get_secret_value().partition(":")
    if not (kid and colon and key):
        raise ValueError("write it as <key id>:<base64 of 32 bytes>")
    return value


def _empty_is_unset(value: object) -> object:
    """Compose and Kubernetes pass a variable that nobody set as an empty one."""
    return None if value == "" else value


def _existing_file(value: Path | Literal["system"] | None) -> Path | Literal["system"] | None:
    if isinstance(value, Path) and not value.is_file():
        raise ValueError("there is no such file: name the CA certificates (PEM), or write system")
    return value


Unset = BeforeValidator(_empty_is_unset)
CaFile = Annotated[Literal["system"] | Path | None, Unset, AfterValidator(_existing_file)]


def settings_of(prefix: str) -> SettingsConfigDict:
    """The configuration of a service's settings: variables start with `prefix`, secrets are never echoed."""
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="ignore", hide_input_in_errors=True)


class ProcessSettings(BaseSettings):
    """What every process is told."""

    log_level: str = "info"
    sandbox: bool = False
    """Test numbers are valid and http:// provider addresses allowed. Never in production."""


class WebSettings(ProcessSettings):
    """What a process needs that serves HTTP."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)


class KafkaSettings(ProcessSettings):
    """How a process reaches Kafka: with a user name it says who it is (SASL, SCRAM-SHA-512), with CA certificates it
    speaks TLS."""

    kafka: str
    """Bootstrap servers, `host:port[,host:port]`."""
    kafka_ephemeral: bool = False
    """The broker keeps nothing on disk (embedded): no idempotent producer, short sessions (reference: Tansu)."""
    kafka_username: Annotated[str | None, Unset] = None
    """Principal of this service: the one that `boothline topics acls` names."""
    kafka_password: Annotated[SecretStr | None, Unset] = None
    kafka_ca_file: CaFile = None
    """PEM file with the CA certificates that sign the brokers', or `system` for those of the machine."""

    @model_validator(mode="after")
    def _access_can_work(self) -> Self:
        if self.kafka_password and not self.kafka_username:
            raise ValueError("KAFKA_PASSWORD without KAFKA_USERNAME: set both, or neither")
        if self.kafka_username and not self.kafka_password:
            raise ValueError("KAFKA_USERNAME without KAFKA_PASSWORD: set both, or neither")
        if self.kafka_username and not self.kafka_ca_file and not self.sandbox:
            raise ValueError(
                "KAFKA_USERNAME without KAFKA_CA_FILE: the connection would not be encrypted. Set KAFKA_CA_FILE to the "
                "CA certificates of the brokers, or to system"
            )
        if self.kafka_ephemeral and (self.kafka_username or self.kafka_ca_file):
            raise ValueError("the embedded broker knows neither users nor TLS: drop KAFKA_EPHEMERAL")
        return self


class TraceSettings(ProcessSettings):
    """Where a process sends its spans (OpenTelemetry). Without an address it makes none."""

    otlp_endpoint: Annotated[HttpUrl | None, Unset] = None
    """An OTLP/HTTP collector, as `http://collector:4318`; spans go to `/v1/traces` there."""
    otlp_headers: dict[str, SecretStr] = Field(default_factory=dict)
    """JSON: what the collector wants to see with every request, as {"authorization": "Bearer .."}."""
    trace_sample: float = Field(default=0.01, ge=0, le=1)
    """Share of the traces of imports and announcements that is recorded; where a person waits, every one is."""


class ServiceSettings(WebSettings, KafkaSettings, TraceSettings):
    """What every service needs that meets the others in Kafka."""

    organisation_id: UUID = ORGANISATION
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


def load(settings: type[S], **given: Any) -> S:
    """The settings from the environment; `given` (from a command line) wins. Ends the process with a sentence per
    wrong variable, never with its value."""
    try:
        return settings(**given)
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
