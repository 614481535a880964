"""Who is asking Kafka, and how the connection is protected."""

import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from shared.bus.wire import Misconfigured
from shared.settings import KafkaSettings

MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class Access:
    """SASL with SCRAM-SHA-512 when there is a user, TLS when there are CA certificates (`system`: the machine's)."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | Literal["system"] | None = None

    @classmethod
    def of(cls, settings: KafkaSettings) -> "Access":
        """From a process's settings."""
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else None
        return cls(settings.kafka_username, password, settings.kafka_ca_file)

    @property
    def protocol(self) -> str:
        """Kafka's name for it."""
        return ("SASL_" if self.username else "") + ("SSL" if self.ca_file else "PLAINTEXT")

    def trust(self) -> ssl.SSLContext | None:
        """What a broker's certificate is checked against; None without TLS. Read again when the file has changed, so
        that a CA can be exchanged under a running process. Raises Misconfigured."""
        if self.ca_file is None:
            return None
        if self.ca_file == "system":
            return _trusted(None, 0)
        try:
            return _trusted(self.ca_file, self.ca_file.stat().st_mtime_ns)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(problem=f"CA certificates cannot be read from {self.ca_file}") from error

    def client_settings(self) -> dict[str, Any]:
        """What every aiokafka client gets. Raises Misconfigured."""
        settings: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.trust()}
        if self.username:
            settings |= {
                "sasl_mechanism": MECHANISM,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return settings


OPEN = Access()
"""Neither user nor encryption: loopback, or a network that nobody else reaches."""


@lru_cache(maxsize=4)
def _trusted(ca_file: Path | None, _changed: int) -> ssl.SSLContext:
    """Reading the machine's certificates takes tens of milliseconds and the console makes a client every second."""
    return ssl.create_default_context(cafile=ca_file)
