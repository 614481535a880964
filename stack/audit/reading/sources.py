"""Where an installation keeps what it knows."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from shared.bus import Connection
from stack.services import Service


@dataclass(frozen=True, slots=True)
class Sources:
    """Addresses with their secrets; `carrier` is the sandbox's URL, or the file that a drill's carrier wrote."""

    registry: str = field(repr=False)
    notifier: str = field(repr=False)
    otp: str = field(repr=False)
    kafka: str
    ephemeral: bool
    carrier: str

    @classmethod
    def of(cls, services: Iterable[Service], carrier: str) -> Self:
        """From the settings of the running services."""
        settings = {name: value for service in services for name, value in service.environment.items()}
        return cls(
            registry=settings["REGISTRY_DATABASE_URL"],
            notifier=settings["NOTIFIER_DATABASE_URL"],
            otp=settings["OTP_VALKEY_URL"],
            kafka=settings["REGISTRY_KAFKA"],
            ephemeral=settings["REGISTRY_KAFKA_EPHEMERAL"] == "true",
            carrier=carrier,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file that `write` made."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Into a file that only its owner can read."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @property
    def bus(self) -> Connection:
        """The topics, as somebody who only looks."""
        return Connection(self.kafka, "boothline-audit", ephemeral=self.ephemeral)
