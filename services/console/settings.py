"""The console's variables: CONSOLE_..."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.settings import KafkaSettings, TraceSettings, WebSettings, settings_of


class ConsoleSettings(WebSettings, KafkaSettings, TraceSettings):
    """Where the brokers are, and who may look."""

    model_config = settings_of("CONSOLE_")

    port: int = Field(default=8400, ge=0, le=65535)
    token: SecretStr | None = Field(default=None, min_length=32)
    """Token of operators: bearer token, or typed into /sign-in. Required where more than loopback is listened on."""
    sample_seconds: float = Field(default=2.0, gt=0)
    """Between two looks at the ends of topics."""
    lag_seconds: float = Field(default=15.0, gt=0)
    """Between two looks at what the groups have not handled (operator.md L2)."""

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is None and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError("set CONSOLE_TOKEN, or listen on loopback only")
        return self
