"""Who may do what on a node: what its configuration and its formatting need besides the plain ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Security:
    """How clients and nodes prove who they are; the node adds addresses and ports. Files named in `properties` must
    be readable by this user."""

    listener: str = "SASL_SSL"
    """Name and protocol of the listener for clients and for the other brokers."""
    controller: str = "SSL"
    """Protocol of the controllers' listener."""
    doors: Mapping[str, int] = field(default_factory=dict)
    """More listeners for clients by name, each with its port and the protocol of `listener`: a door of its own may
    show another certificate."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """More lines of server.properties: mechanisms, key stores, authorizer, super users."""
    format_arguments: tuple[str, ...] = ()
    """More arguments of the storage tool, for every node: `--add-scram`, `SCRAM-SHA-512=[name=..,password=..]`."""


PLAIN = Security(listener="PLAINTEXT", controller="PLAINTEXT")
"""Everybody on the loopback interface may do everything."""
