"""What docker-compose.yml passes is what the services read, and nothing in it is lax."""

import os
import re
import tomllib
from collections.abc import Mapping
from inspect import signature
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.console.settings import ConsoleSettings
from services.notifier.bot.loops import DRAIN_SECONDS as BOT_DRAIN
from services.notifier.service.sender import DRAIN_SECONDS as SENDER_DRAIN
from services.notifier.settings import Settings as NotifierSettings
from services.otp.settings import OtpSettings
from services.registry.settings import Settings as RegistrySettings
from services.sandbox.settings import Settings as SandboxSettings
from shared.bus import Consumer, lanes
from shared.bus.__main__ import Settings as TopicsSettings
from shared.bus.kafka import clients, diagnosis, member
from shared.events.catalogue import GROUPS, TOPICS
from shared.events.rights import service_of
from shared.settings import ORGANISATION
from shared.web import serving
from tests.unit.deploy.compose_file import Missing, environment, required
from tests.unit.deploy.conftest import ROOT, YOURS

SETTINGS: Mapping[str, type[BaseSettings]] = {
    "registry": RegistrySettings,
    "otp": OtpSettings,
    "notifier": NotifierSettings,
    "console": ConsoleSettings,
    "sandbox": SandboxSettings,
}
JOBS = {"topics", "migrate-registry", "migrate-notifier"}
SERVERS = {"postgres", "valkey", "kafka"}
PAGES = {"grafana": 3000, "kafka-ui": 8080}
"""Pages for operators, and where their containers listen."""
WATCHERS = {"prometheus", "kminion"} | PAGES.keys()
PROFILES = {
    "sandbox": ["sandbox"],
    "prometheus": ["monitoring"],
    "grafana": ["monitoring"],
    "kminion": ["monitoring", "operators"],
    "kafka-ui": ["operators"],
}
PORTS = {"registry": 8100, "otp": 8200, "notifier": 8300, "console": 8400, "sandbox": 8500}
EMBEDDED_ONLY = {"kafka_ephemeral"}
"""Says that the broker forgets everything; this one does not."""
EMPTY_AT_FIRST = {"seal_old_keys", "otlp_headers", "kafka_password"}
"""There are no old keys before the first rotation, many collectors ask for no header, and Kafka knows no users before
docker-compose.secure.yml."""
CLOSE = 3 * vars(clients)["_CLOSE_SECONDS"]
"""Seconds to close one client of a dead broker: its own end, what that leaves over, the connections."""
CLOSING = vars(lanes)["_CANCEL_SECONDS"] + vars(member)["_COMMIT_SECONDS"] + vars(diagnosis)["_SECONDS"] + 2 * CLOSE
"""Seconds to end a consumer after its drain: cancelling, a last commit that fails and is explained, leaving, and the
producer of its dead letters."""

Services = dict[str, dict[str, Any]]


@pytest.mark.parametrize("name", SETTINGS)
def test_compose_passes_every_setting_that_the_code_has_and_no_other(services: Services, name: str) -> None:
    known = {f"{name}_{field}".upper() for field in SETTINGS[name].model_fields.keys() - EMBEDDED_ONLY}
    assert set(services[name]["environment"]) == known


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_accepts_what_compose_passes(
    services: Services, env: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [variable for variable in os.environ if variable.startswith(f"{name.upper()}_")]:  # noqa: TID251
        monkeypatch.delenv(variable)
    for variable, value in environment(services[name], env).items():
        monkeypatch.setenv(variable, value)
    settings = SETTINGS[name]()
    assert getattr(settings, "port") == PORTS[name]  # noqa: B009
    assert getattr(settings, "host") == ("127.0.0.1" if name == "sandbox" else "0.0.0.0")  # noqa: B009, S104


def test_the_job_of_the_topics_gets_every_setting_that_it_has(services: Services) -> None:
    known = {f"TOPICS_{field}".upper() for field in TopicsSettings.model_fields.keys() - EMBEDDED_ONLY}
    assert set(services["topics"]["environment"]) == known
    assert services["topics"]["command"] == ["python", "-m", "shared.bus", "topics"]


@pytest.mark.parametrize("name", ["registry", "notifier"])
def test_a_migration_gets_the_settings_of_its_service(services: Services, name: str) -> None:
    assert services[f"migrate-{name}"]["environment"] == services[name]["environment"]
    assert services[f"migrate-{name}"]["image"] == services[name]["image"]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_secret_of_a_service_is_required(services: Services, name: str) -> None:
    fields = SETTINGS[name].model_fields.items()
    secret = {field for field, info in fields if "SecretStr" in str(info.annotation)} - EMPTY_AT_FIRST
    assert name == "sandbox" or secret
    passed = services[name]["environment"]
    lax = {field for field in secret if not required(passed[f"{name}_{field}".upper()] or "")}
    assert lax == set()


def test_no_password_or_key_has_a_value_of_its_own(services: Services) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            if any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN", "_KEY", "URL")) and value:
                assert "${" in value, f"{name}: {variable}"
                assert ":-" not in value, f"{name}: {variable}"


@pytest.mark.parametrize("name", [*SETTINGS, *sorted(SERVERS), "migrate-registry", "migrate-notifier"])
def test_nothing_starts_without_its_secrets(services: Services, name: str) -> None:
    with pytest.raises(Missing):
        environment(services[name], {})


def test_an_empty_secret_counts_as_missing(services: Services, env: dict[str, str]) -> None:
    with pytest.raises(Missing, match="CONSOLE_TOKEN a secret that python -m stack secrets writes"):
        environment(services["console"], env | {"CONSOLE_TOKEN": ""})


def test_the_organisation_is_the_one_of_a_fresh_installation(services: Services, env: dict[str, str]) -> None:
    for name in ("registry", "otp", "notifier"):
        assert environment(services[name], env)[f"{name.upper()}_ORGANISATION_ID"] == str(ORGANISATION)


def test_only_registry_and_notifier_hold_the_key_of_phones(services: Services) -> None:
    holders = {name for name, service in services.items() if "FINGERPRINT_KEYS" in str(service)}
    assert holders - JOBS == {"registry", "notifier"}


def test_images_have_a_version_and_ours_is_the_projects(services: Services) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        assert re.match(r"v?\d", tag), name
        if name not in SERVERS | WATCHERS:
            assert tag == version
            assert image == f"boothline-{service['build']['target']}"
    assert services["postgres"]["image"] == "postgres:18"
    assert services["valkey"]["image"] == "valkey/valkey:9"
    assert services["kafka"]["image"].startswith("apache/kafka:4.")


def test_every_container_is_confined(services: Services) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
        assert not {"privileged", "cap_add", "pid", "ipc", "devices", "env_file"} & set(service), name


def test_every_container_is_limited_and_its_log_too(services: Services) -> None:
    for name, service in services.items():
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_services_start_again_and_jobs_do_not(services: Services) -> None:
    assert {name for name, service in services.items() if service["restart"] == "no"} == JOBS
    assert {service["restart"] for name, service in services.items() if name not in JOBS} == {"unless-stopped"}


def test_servers_are_asked_whether_they_are_well(services: Services) -> None:
    for name in SERVERS | WATCHERS - {"kminion"}:
        check = services[name]["healthcheck"]
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_only_jobs_are_not_asked(services: Services) -> None:
    silent = {name for name, service in services.items() if service.get("healthcheck") == {"disable": True}}
    assert silent == JOBS  # our services are asked as their image says: see test_dockerfile.py


def test_a_service_waits_for_its_servers_and_for_its_jobs(services: Services) -> None:
    for name in SETTINGS.keys() - {"sandbox"}:
        service = services[name]
        waits = {other: given["condition"] for other, given in service["depends_on"].items()}
        used = {other for other in SERVERS if f"{other}:" in str(service["environment"])}
        assert {other for other, condition in waits.items() if condition == "service_healthy"} == used
        jobs = {"topics"} | ({f"migrate-{name}"} & services.keys())
        assert {other for other, condition in waits.items() if condition == "service_completed_successfully"} == jobs


def test_ports_are_published_on_loopback_only_and_servers_have_none(services: Services) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == SETTINGS.keys() - {"sandbox"} | PAGES.keys()
    for name, ports in published.items():
        variable = f"{name.upper().replace('-', '_')}_PUBLISHED_PORT"
        inside = PAGES.get(name) or PORTS[name]
        outside = {"grafana": 8430, "kafka-ui": 8480}.get(name, inside)
        assert ports == [f"127.0.0.1:${{{variable}:-{outside}}}:{inside}"]


def test_servers_and_jobs_have_no_way_out(compose: dict[str, Any], services: Services) -> None:
    inner = {name for name, network in compose["networks"].items() if network.get("internal") is True}
    assert inner == {"sql", "memory", "bus", "watch"}
    for name in SERVERS | JOBS | WATCHERS - PAGES.keys():
        assert set(services[name]["networks"]) <= inner, name


def test_a_service_reaches_only_the_servers_that_it_uses(services: Services) -> None:
    network = {"postgres": "sql", "valkey": "memory", "kafka": "bus"}
    assert {name: services[name]["networks"] for name in SERVERS} == {name: [network[name]] for name in SERVERS}
    for name in SETTINGS.keys() - {"sandbox"}:
        used = {network[server] for server in SERVERS if f"{server}:" in str(services[name]["environment"])}
        assert set(services[name]["networks"]) == used | {"edge", "watch"}


def test_pages_for_operators_reach_what_they_show_and_no_data_store(services: Services) -> None:
    assert {name: services[name]["networks"] for name in WATCHERS} == {
        "prometheus": ["watch"],
        "grafana": ["desk", "watch"],
        "kminion": ["bus", "watch"],
        "kafka-ui": ["desk", "bus"],
    }


def drained_after(name: str) -> float:
    """Seconds that a service may take to end: requests, then its consumers one after the other, then its senders."""
    drain = signature(Consumer).parameters["drain_timeout"].default
    http = signature(serving).parameters["grace"].default + 2
    consumers = sum(service_of(group) == name for group in GROUPS)
    senders = 2 * SENDER_DRAIN + 2 * BOT_DRAIN if name == "notifier" else 0.0
    relay = CLOSE if consumers else 0.0
    return float(http + consumers * (drain + CLOSING) + relay + senders)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_stop_is_given_more_time_than_the_drain_takes(services: Services, name: str) -> None:
    assert int(services[name]["stop_grace_period"].removesuffix("s")) > drained_after(name)


def test_the_sandbox_is_started_on_demand_and_reached_by_the_notifier_alone(services: Services) -> None:
    sandbox = services["sandbox"]
    assert sandbox["profiles"] == ["sandbox"]
    assert sandbox["network_mode"] == "service:notifier"
    assert not {"ports", "networks", "expose"} & set(sandbox)
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == PROFILES


def test_the_made_up_numbers_come_with_the_sandbox_only(services: Services) -> None:
    passed = environment(services["registry"], dict.fromkeys(required(str(services["registry"])), "x") | YOURS)
    assert passed["REGISTRY_SANDBOX"] == "false"
    assert passed["REGISTRY_TEST_NUMBER_PREFIXES"] == "[]"


def test_kafka_keeps_offsets_longer_than_any_record(services: Services) -> None:
    kept = int(services["kafka"]["environment"]["KAFKA_OFFSETS_RETENTION_MINUTES"])
    assert kept > 24 * 60 * max(topic.dead.retention_days for topic in TOPICS)
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_valkey_keeps_what_it_acknowledges() -> None:
    lines = (ROOT / "deploy" / "valkey" / "valkey.conf").read_text(encoding="utf-8").splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction"} <= set(lines)


def test_valkeys_memory_can_be_raised_and_stays_below_the_containers(services: Services) -> None:
    service = services["valkey"]
    most = re.fullmatch(r"\$\{VALKEY_MAXMEMORY:-(\d+)mb\}", service["environment"]["VALKEY_MAXMEMORY"])
    limit = re.fullmatch(r"\$\{VALKEY_MEMORY_LIMIT:-(\d+)M\}", service["deploy"]["resources"]["limits"]["memory"])
    assert most
    assert limit
    assert int(most[1]) < 0.75 * int(limit[1])
    assert "maxmemory $$VALKEY_MAXMEMORY\n" in service["command"][2]


def test_data_lies_in_volumes_that_exist(compose: dict[str, Any], services: Services) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, _, where = volume.partition(":")
            if source.startswith("./"):
                assert where.endswith(":ro"), name
                assert not str(ROOT / source).endswith("/"), name
                assert (ROOT / source).is_dir(), name
            else:
                assert source in compose["volumes"], name


def test_a_database_and_a_role_is_made_for_each_service_that_has_one(services: Services) -> None:
    script = (ROOT / "deploy" / "postgres" / "databases.sql").read_text(encoding="utf-8")
    for name in ("registry", "notifier"):
        variable = f"{name.upper()}_DATABASE_PASSWORD"
        assert f"\\getenv {name}_password {variable}\n" in script
        assert f"CREATE ROLE {name} LOGIN PASSWORD :'{name}_password';" in script
        assert f"CREATE DATABASE {name} OWNER {name};" in script
        assert variable in services["postgres"]["environment"]
        assert f"//{name}:${{{variable}:?" in services[name]["environment"][f"{name.upper()}_DATABASE_URL"]
