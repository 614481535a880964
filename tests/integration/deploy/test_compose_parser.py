"""The compose specification's own parser takes our files, and makes of them what the other tests read."""

import json
from pathlib import Path
from typing import Any

import pytest

from stack.secrets_file import written
from tests.integration.deploy.conftest import Program
from tests.unit.deploy.compose_file import dotenv, environment, read
from tests.unit.deploy.conftest import ROOT, YOURS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.go]

COMPOSE = ROOT / "docker-compose.yml"
SECURE = ROOT / "docker-compose.secure.yml"


@pytest.fixture(params=["real", "sandbox"])
def env_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A fresh .env; the real one with the operator's part filled in."""
    text = written(sandbox=request.param == "sandbox")
    if request.param == "real":
        text += "".join(f"{name}='{value}'\n" for name, value in YOURS.items())
    (tmp_path / "env").write_text(text, encoding="utf-8")
    return tmp_path / "env"


def project(compose_check: Program, env_file: Path, profiles: str, *files: Path) -> dict[str, Any]:
    done = compose_check(env_file, profiles, *files)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def always() -> set[str]:
    """Services without a profile."""
    ours = read(COMPOSE.read_text(encoding="utf-8"))["services"]
    return {name for name, service in ours.items() if "profiles" not in service}


def set_only(environment_: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in environment_.items() if value is not None}


def test_the_parser_reads_what_our_tests_read(compose_check: Program, env_file: Path) -> None:
    ours = read(COMPOSE.read_text(encoding="utf-8"))
    theirs = project(compose_check, env_file, "*", COMPOSE)
    variables = dotenv(env_file.read_text(encoding="utf-8"))
    assert set(theirs["services"]) == set(ours["services"])
    for name, service in ours["services"].items():
        found = theirs["services"][name]
        assert set_only(found.get("environment") or {}) == environment(service, variables), name
        assert found["image"] == service["image"]
        assert set(found.get("networks") or ()) == set(service.get("networks") or ())
        assert (found["user"], found["read_only"]) == (service["user"], service["read_only"])
        assert found.get("profiles", []) == service.get("profiles", [])
        assert {key: value["condition"] for key, value in (found.get("depends_on") or {}).items()} == {
            key: value["condition"] for key, value in (service.get("depends_on") or {}).items()
        }
    assert set(theirs["volumes"]) == set(ours["volumes"])
    assert set(theirs["networks"]) == set(ours["networks"])


@pytest.mark.parametrize(
    ("profile", "more"),
    [
        ("sandbox", {"sandbox"}),
        ("monitoring", {"prometheus", "grafana", "kminion"}),
        ("operators", {"kafka-ui", "kminion"}),
    ],
)
def test_a_profile_adds_its_services(compose_check: Program, env_file: Path, profile: str, more: set[str]) -> None:
    found = project(compose_check, env_file, profile, COMPOSE)["services"]
    assert set(found) == always() | more


def test_a_fresh_env_starts_monitoring_and_that_of_the_sandbox_the_sandbox(
    compose_check: Program, env_file: Path
) -> None:
    found = project(compose_check, env_file, "", COMPOSE)["services"]
    sandbox = dotenv(env_file.read_text(encoding="utf-8"))["COMPOSE_PROFILES"] == "sandbox"
    assert set(found) == always() | ({"sandbox"} if sandbox else {"prometheus", "grafana", "kminion"})


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("    healthcheck:\n", "    helthcheck:\n", "helthcheck"),
        ("    stop_grace_period: 300s\n", "    stop_grace_period: soon\n", "soon"),
        ("      kafka: {", "      kafca: {", "kafca"),
        ('    networks: ["sql"]\n', '    networks: ["sequel"]\n', "sequel"),
        ("    image: postgres:18\n", "    image: postgres:18\n    image: postgres:17\n", "image"),
        ("volumes:\n  postgres: {}\n", "volumes:\n", "postgres"),
    ],
)
def test_a_mistake_is_refused(
    *, compose_check: Program, env_file: Path, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "docker-compose.yml").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    done = compose_check(env_file, "*", tmp_path / "docker-compose.yml")
    assert done.returncode == 1
    assert said in done.stderr


def test_a_missing_secret_stops_it_with_our_sentence(compose_check: Program, env_file: Path) -> None:
    lines = [line for line in env_file.read_text(encoding="utf-8").splitlines() if not line.startswith("OTP_CODE_KEYS")]
    env_file.write_text("\n".join(lines), encoding="utf-8")
    done = compose_check(env_file, "*", COMPOSE)
    assert done.returncode == 1
    assert "OTP_CODE_KEYS" in done.stderr
    assert "python -m stack secrets" in done.stderr


def test_the_secure_file_adds_to_the_other_one(compose_check: Program, env_file: Path) -> None:
    plain = project(compose_check, env_file, "*", COMPOSE)["services"]
    found = project(compose_check, env_file, "*", COMPOSE, SECURE)["services"]
    assert set(found) == set(plain) | {"access"}
    kafka = found["kafka"]["environment"]
    assert set(plain["kafka"]["environment"]) < set(kafka)
    assert "PLAINTEXT" not in " ".join(filter(None, kafka.values()))
    assert found["topics"]["depends_on"].keys() == {"kafka", "access"}
    for name in plain:
        assert len(found[name].get("volumes") or ()) >= len(plain[name].get("volumes") or ()), name
        assert found[name].get("networks") == plain[name].get("networks"), name
    mounted = {volume["target"]: volume["source"] for volume in found["kafka"]["volumes"]}
    assert mounted["/etc/kafka/secrets"] == "./.tls/kafka"
    assert mounted["/var/lib/kafka/data"] == "kafka"
