"""A broker with exactly the settings of docker-compose.secure.yml, made by the image's own program, and its users."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stack import ports
from stack.child import Child, Command
from stack.embedded.starting import drive, until
from stack.folder import RunFolder
from stack.kafka import Jars
from stack.secrets_file import written
from tests.unit.deploy.compose_file import dotenv, environment, read
from tests.unit.deploy.conftest import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

Client = dict[str, str | int | float | bool]
JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")


@dataclass(frozen=True)
class Secured:
    """The running broker."""

    clients: str
    admin: str
    tls: Path
    passwords: dict[str, str]
    script: subprocess.CompletedProcess[str]
    """access.sh"""
    rights: list[str]
    """What kafka-acls.sh was called with, a line each."""

    def who(self, user: str, password: str) -> Client:
        """The settings of a client."""
        return {
            "bootstrap.servers": self.clients,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self.tls / "ca" / "ca.pem"),
            "log_level": 0,
        }


@pytest.fixture(scope="module")
def secured(apache_jars: Jars, run_folder: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    here = tmp_path_factory.mktemp("secure")
    places = dict(zip(("9092", "9093", "9094"), _three_ports(), strict=True))
    subprocess.run(["sh", ROOT / "deploy" / "kafka" / "certificates.sh", here / "tls"], check=True, capture_output=True)
    variables = dotenv(written(sandbox=True))
    files = [read((ROOT / name).read_text("utf-8"))["services"] for name in _FILES]
    passed = environment(files[0]["kafka"], variables) | environment(files[1]["kafka"], variables)
    environment_ = {name: _here(value, places, here) for name, value in passed.items()}
    java = [str(apache_jars.java), *JAVA, "-cp", apache_jars.class_path]
    configured = _configured(here, java, environment_)
    broker = Child(Command("secure-kafka", [*java, "-Xmx256m", "kafka.Kafka", configured], here), run_folder)
    try:
        drive(until(lambda: ports.listens(broker.pid, places["9092"]), broker, seconds=120))
        assert broker.exit_code is None, broker.story("did not start")
        password = {"KAFKA_PASSWORD_OTP": variables["KAFKA_PASSWORD_OTP"]}  # one user: each takes a start of Java
        script = _access(here, java, f"localhost:{places['9094']}", password)
        rights = (here / "acls").read_text(encoding="utf-8").splitlines()
        servers = (f"localhost:{places['9092']}", f"localhost:{places['9094']}")
        yield Secured(*servers, here / "tls", {"otp": password["KAFKA_PASSWORD_OTP"]}, script, rights)
    finally:
        broker.end(30.0)


def _three_ports() -> set[int]:
    found: set[int] = set()
    while len(found) < 3:
        found.add(ports.pick())
    return found


_FILES = ("docker-compose.yml", "docker-compose.secure.yml")


def _here(value: str, places: dict[str, int], here: Path) -> str:
    """A setting of the container with the ports and folders of this machine."""
    for inside, outside in places.items():
        value = value.replace(f":{inside}", f":{outside}")
    value = value.replace("://kafka:", "://localhost:").replace("://:", "://localhost:")
    return value.replace("/etc/kafka/secrets", str(here / "tls" / "kafka")).replace("/var/lib/kafka", str(here))


def _configured(here: Path, java: list[str], environment_: dict[str, str]) -> Path:
    """What the image does at its start: writes server.properties from the environment and formats the folder."""
    for folder in ("default", "config"):
        (here / folder).mkdir()
    (here / "config" / "server.properties").touch()
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (here / "default" / name).touch()
    folders = {"default": here / "default", "mounted": ROOT / "deploy" / "kafka", "final": here / "config"}
    options = [word for name, folder in folders.items() for word in (f"--{name}-configs-dir", str(folder))]
    command = [*java, "kafka.docker.KafkaDockerWrapper", "setup", *options]
    done = subprocess.run(command, env=environment_, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return here / "config" / "server.properties"


def _access(here: Path, java: list[str], admin: str, passwords: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs access.sh. The tool for ACLs is not among the jars: its calls are written down (the rights themselves are
    proven in tests/integration/security)."""
    tools = here / "bin"
    tools.mkdir()
    config = f'#!/bin/sh\nexec {shlex.join([*java, "-Xmx128m", "kafka.admin.ConfigCommand"])} "$@"\n'
    for name, text in (("kafka-configs.sh", config), ("kafka-acls.sh", f'#!/bin/sh\necho "$@" >>{here}/acls\n')):
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    places = {"PATH": os.defpath, "KAFKA_BIN": str(tools), "SECRETS": str(here / "tls" / "admin")}
    command: list[str | Path] = ["bash", ROOT / "deploy" / "kafka" / "access.sh", admin]
    return subprocess.run(command, env=places | passwords, capture_output=True, text=True, check=False)


def test_the_job_gives_a_user_a_password_and_every_principal_its_rights(secured: Secured) -> None:
    assert secured.script.returncode == 0, secured.script.stderr
    principals = {word for line in secured.rights for word in line.split() if word.startswith("User:")}
    assert principals == {"User:registry", "User:otp", "User:notifier", "User:console", "User:topics", "User:operator"}
    assert secured.passwords["otp"] not in secured.script.stdout + secured.script.stderr


def test_a_user_with_the_right_password_is_let_in_and_sees_nothing_without_rights(secured: Secured) -> None:
    found = AdminClient(secured.who("otp", secured.passwords["otp"])).list_topics(timeout=60)
    assert len(found.brokers) == 1
    assert found.topics == {}


@pytest.mark.parametrize(("user", "password"), [("otp", "wrong"), ("nobody", "wrong")])
def test_a_wrong_password_and_an_unknown_user_are_not(secured: Secured, user: str, password: str) -> None:
    with pytest.raises(KafkaException):
        AdminClient(secured.who(user, password)).list_topics(timeout=5)


def test_the_door_of_administrators_asks_for_a_certificate(secured: Secured) -> None:
    tls: Client = {
        "bootstrap.servers": secured.admin,
        "security.protocol": "SSL",
        "ssl.ca.location": str(secured.tls / "ca" / "ca.pem"),
        "log_level": 0,
    }
    with pytest.raises(KafkaException):
        AdminClient(tls).list_topics(timeout=5)
    pem = str(secured.tls / "admin" / "admin.pem")
    ours = AdminClient(tls | {"ssl.certificate.location": pem, "ssl.key.location": pem})
    assert len(ours.list_topics(timeout=60).brokers) == 1


def test_nobody_is_let_in_without_tls(secured: Secured) -> None:
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": secured.clients, "log_level": 0}).list_topics(timeout=5)
