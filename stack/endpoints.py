"""Where a running installation can be reached: `.run/endpoints.json`, which only its owner can read."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Endpoints:
    """Addresses of the services, and an API key that may record appointments."""

    services: Mapping[str, str]
    api_key: str = field(repr=False)
    sign_in: str = field(repr=False)
    """Opens the portal once; `boothline sign-in` prints another."""
    kafka: str
    logs: str

    def write(self, path: Path) -> None:
        """Writes the file with mode 0600, whole or not at all."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        new.replace(path)


def tunnel(ports: Mapping[str, int], host: str) -> str:
    """The ssh command that brings all ports to another machine, so that the same URLs work there."""
    return " ".join(["ssh", *(f"-L {port}:127.0.0.1:{port}" for port in ports.values()), host])
