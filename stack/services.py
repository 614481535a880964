"""What runs: the service processes with their ports and exactly the settings that each of them needs."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from stack.embedded import Servers
from stack.keys import Keys

DEFAULT_PORTS = {"registry": 8100, "otp": 8200, "notifier": 8300, "console": 8400, "sandbox": 8500}
TEST_NUMBER_PREFIX = "+91555"
BOT_USERNAME = "boothline_bot"
SENDER = "+15005550006"  # Twilio's own test sender


@dataclass(frozen=True)
class Service:
    """A process that serves HTTP: it is ready when GET /ready says 200."""

    name: str
    arguments: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Job:
    """A command that must end well before the services start."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class System:
    """Everything that is started on top of the servers, in this order; stopped in the reverse one."""

    jobs: tuple[Job, ...]
    services: tuple[Service, ...]
    bootstrap: Job
    """Prints a JSON object with an API key and a sign-in link."""
    sign_in: Job
    """Prints another sign-in link: each opens the portal once, for 15 minutes."""


def boothline(servers: Servers, ports: Mapping[str, int], *, keys: Keys, ephemeral: bool, log_level: str) -> System:
    """The five services on `servers`; `ephemeral` when the broker forgets everything at its end."""
    settings = _settings(servers, ports, keys, ephemeral=ephemeral, log_level=log_level)
    environments = {name: _environment(name, values) for name, values in settings.items()}
    services = tuple(
        Service(name, _module(name), ports[name], environments[name])
        for name in ("sandbox", "registry", "otp", "notifier", "console")
    )
    migrations = tuple(
        Job(f"{name}-migrate", _module(name, "migrate"), environments[name]) for name in ("registry", "notifier")
    )
    bootstrap = Job("registry-bootstrap", _module("registry", "bootstrap", "--json"), environments["registry"])
    sign_in = Job("registry-sign-in", _module("registry", "sign-in"), environments["registry"])
    return System(migrations, services, bootstrap, sign_in)


def _settings(
    servers: Servers, ports: Mapping[str, int], keys: Keys, *, ephemeral: bool, log_level: str
) -> dict[str, dict[str, str]]:
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    web = {
        name: {"HOST": "127.0.0.1", "PORT": str(ports[name]), "LOG_LEVEL": log_level, "SANDBOX": "true"}
        for name in ports
    }
    bus = {"KAFKA": servers.kafka, "KAFKA_EPHEMERAL": str(ephemeral).lower()}
    sealed = {name: {**bus, "SEAL_KEY": key, "SEAL_PEERS": keys.seal_peers} for name, key in keys.seal.items()}
    twilio = {"TWILIO_ACCOUNT_SID": keys.twilio_account, "TWILIO_AUTH_TOKEN": keys.twilio_token}
    test_numbers = {"TEST_NUMBER_PREFIXES": json.dumps([TEST_NUMBER_PREFIX])}
    return {
        "registry": web["registry"]
        | sealed["registry"]
        | test_numbers
        | {
            "DATABASE_URL": servers.database("registry"),
            "FINGERPRINT_KEYS": keys.fingerprint,
            "PHONE_KEYS": keys.phone,
            "PUBLIC_URL": urls["registry"],
        },
        "otp": web["otp"]
        | sealed["otp"]
        | {
            "VALKEY_URL": servers.valkey(0),
            "CODE_KEYS": keys.code,
            "PUBLIC_URL": urls["otp"],
            "TELEGRAM_LINK_BASE": f"{urls['sandbox']}/t.me/{BOT_USERNAME}",
        },
        "notifier": web["notifier"]
        | sealed["notifier"]
        | test_numbers
        | twilio
        | {
            "DATABASE_URL": servers.database("notifier"),
            "VALKEY_URL": servers.valkey(1),
            "FINGERPRINT_KEYS": keys.fingerprint,
            "STORE_KEYS": keys.store,
            "TELEGRAM_TOKEN": keys.telegram_token,
            "TELEGRAM_API_BASE": urls["sandbox"],
            "TELEGRAM_LINK_BASE": f"{urls['sandbox']}/t.me",
            "TELEGRAM_MODE": "polling",
            "TELEGRAM_WEBHOOK_SECRET": keys.telegram_webhook_secret,
            "TWILIO_BASE_URL": urls["sandbox"],
            "TWILIO_FROM": SENDER,
            "TWILIO_TWO_WAY": "true",
            "SMS_PER_SECOND": "1000",  # parts; the sandbox takes all, a real route has a limit
            "PUBLIC_URL": urls["notifier"],
        },
        "console": web["console"] | bus,
        "sandbox": web["sandbox"]
        | twilio
        | {
            "TELEGRAM_TOKEN": keys.telegram_token,
            "BOT_USERNAME": BOT_USERNAME,
            "INBOUND_URL": f"{urls['notifier']}/twilio/inbound",
        },
    }


def _environment(service: str, settings: Mapping[str, str]) -> dict[str, str]:
    return {f"{service.upper()}_{name}": value for name, value in settings.items()}


def _module(service: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"services.{service}", *arguments)
