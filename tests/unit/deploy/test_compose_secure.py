"""docker-compose.secure.yml leaves no way to Kafka without a certificate or a password."""

import re
from pathlib import Path
from typing import Any

import pytest

from stack.secrets_file import KAFKA_USERS
from tests.unit.deploy.compose_file import Missing, environment, read, required
from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.test_compose import SETTINGS, Services

CLIENTS = ("registry", "otp", "notifier", "console", "topics")


@pytest.fixture(scope="module")
def secure() -> Services:
    found: Services = read((ROOT / "docker-compose.secure.yml").read_text(encoding="utf-8"))["services"]
    return found


def kafka(secure: Services) -> dict[str, str]:
    return dict(secure["kafka"]["environment"])


def test_everybody_who_reaches_kafka_says_who_they_are(services: Services, secure: Services) -> None:
    on_the_bus = {name for name, service in services.items() if "bus" in service.get("networks", ())}
    assert on_the_bus | {"access"} == set(secure)
    for name in CLIENTS:
        passed = secure[name]["environment"]
        prefix = f"{name.upper()}_KAFKA"
        assert passed[f"{prefix}_USERNAME"] == name
        assert required(passed[f"{prefix}_PASSWORD"]) == {f"KAFKA_PASSWORD_{name.upper()}"}
        assert passed[f"{prefix}_CA_FILE"] == "/etc/boothline/kafka/ca.pem"
        assert "./.tls/ca:/etc/boothline/kafka:ro" in secure[name]["volumes"]


@pytest.mark.parametrize("name", ["registry", "otp", "notifier", "console"])
def test_a_service_accepts_what_both_files_pass(
    *,
    services: Services,
    secure: Services,
    env: dict[str, str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = environment(services[name], env) | environment(secure[name], env)
    (tmp_path / "ca.pem").touch()
    passed[f"{name.upper()}_KAFKA_CA_FILE"] = str(tmp_path / "ca.pem")
    for variable, value in passed.items():
        monkeypatch.setenv(variable, value)
    assert getattr(SETTINGS[name](), "kafka_username") == name  # noqa: B009


def test_every_listener_has_tls_and_a_proof_of_who_asks(secure: Services) -> None:
    kept = kafka(secure)
    protocols = dict(pair.split(":") for pair in kept["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert protocols == {"CLIENTS": "SASL_SSL", "ADMIN": "SSL", "CONTROLLER": "SSL"}
    assert {address.split("://")[0] for address in kept["KAFKA_LISTENERS"].split(",")} == set(protocols)
    for name in ("ADMIN", "CONTROLLER"):
        assert kept[f"KAFKA_LISTENER_NAME_{name}_SSL_CLIENT_AUTH"] == "required"
    assert kept["KAFKA_SASL_ENABLED_MECHANISMS"] == "SCRAM-SHA-512"


def test_the_image_is_not_led_to_ask_for_other_keystores(secure: Services) -> None:
    """Its start script looks for `SSL://` and `SASL_..://` in the advertised listeners."""
    assert not re.search(r"SSL://|SASL_.*://", kafka(secure)["KAFKA_ADVERTISED_LISTENERS"])


def test_only_the_broker_and_the_job_may_do_everything(secure: Services) -> None:
    assert kafka(secure)["KAFKA_SUPER_USERS"] == "User:CN=kafka;User:CN=admin"
    script = (ROOT / "deploy" / "kafka" / "certificates.sh").read_text(encoding="utf-8")
    assert re.findall(r'^signed (\w+) "', script, re.MULTILINE) == ["kafka", "admin"]
    holders = {name for name, service in secure.items() if "./.tls/admin" in str(service.get("volumes"))}
    assert holders == {"access"}


def test_the_job_makes_every_user_and_confines_itself_like_the_others(services: Services, secure: Services) -> None:
    job: dict[str, Any] = secure["access"]
    assert required(str(job["environment"])) == {f"KAFKA_PASSWORD_{user.upper()}" for user in KAFKA_USERS}
    assert job["image"] == services["kafka"]["image"]
    for key in ("read_only", "cap_drop", "security_opt", "logging"):
        assert job[key] == services["kafka"][key]
    assert set(job["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    for name in ("topics", "kminion", "kafka-ui"):
        assert secure[name]["depends_on"]["access"] == {"condition": "service_completed_successfully"}


def test_nothing_starts_without_its_password(secure: Services) -> None:
    for name in {*CLIENTS, "access", "kminion", "kafka-ui"}:
        with pytest.raises(Missing):
            environment(secure[name], {})


def test_keys_and_certificates_never_reach_git_or_an_image() -> None:
    assert "/.tls/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "tls" not in (ROOT / ".dockerignore").read_text(encoding="utf-8")
