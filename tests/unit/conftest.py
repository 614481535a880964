"""Unit tests reach no network: a socket that is not local to the process is refused."""

import socket
from typing import Any, NoReturn

import pytest


class NetworkRefused(AssertionError):
    """A unit test tried to use the network; fake the port in domain.py, or move the test to tests/integration."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets AF_UNIX through (the event loop's own wake-up pair), refuses the rest and name look-ups."""
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, _guarded(name))
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)


def _guarded(name: str) -> Any:
    real = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        return real(self, *arguments) if self.family == socket.AF_UNIX else _refuse(*arguments)

    return guarded


def _refuse(*where: object, **_: object) -> NoReturn:
    raise NetworkRefused(f"a unit test used the network: {where}")
