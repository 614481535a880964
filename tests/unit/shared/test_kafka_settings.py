"""How a process reaches Kafka: what can work is accepted, what cannot is refused with a sentence that helps."""

import os
import ssl
from pathlib import Path

import pytest

from shared.bus import Connection, Misconfigured
from shared.bus.access import OPEN, Access
from shared.bus.kafka.clients import consumer_settings, producer_settings
from shared.clock import utc_now
from shared.settings import KafkaSettings, load, settings_of
from tests.integration.security.certificates import Authority


class Settings(KafkaSettings):
    """A service's."""

    model_config = settings_of("OURS_")


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    return Authority("ours", utc_now()).trusted(tmp_path / "ca.pem")


def access(connection: Connection) -> dict[str, object]:
    """What aiokafka is told about access, the same for every client."""
    told = [consumer_settings(connection, "g"), consumer_settings(connection, None), producer_settings(connection)]
    keys = {"security_protocol", "sasl_mechanism", "sasl_plain_username", "sasl_plain_password", "ssl_context"}
    chosen = [{key: value for key, value in settings.items() if key in keys} for settings in told]
    assert chosen[0] == chosen[1] == chosen[2]
    return chosen[0]


def test_without_user_and_certificates_the_connection_is_open() -> None:
    connection = Connection.of(load(Settings, kafka="k:9092"), "otp")
    assert connection.access == OPEN
    assert access(connection) == {"security_protocol": "PLAINTEXT", "ssl_context": None}


def test_a_user_and_certificates_make_scram_over_tls(ca_file: Path) -> None:
    settings = load(Settings, kafka="k:9093", kafka_username="otp", kafka_password="pw", kafka_ca_file=ca_file)
    told = access(Connection.of(settings, "otp"))
    context = told.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert [dict(cert["subject"][0])["commonName"] for cert in context.get_ca_certs()] == ["ours"]  # type: ignore[arg-type]
    assert told == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "otp",
        "sasl_plain_password": "pw",
    }


def test_certificates_alone_encrypt_and_may_be_the_machines() -> None:
    told = access(Connection.of(load(Settings, kafka="k:9093", kafka_ca_file="system"), "otp"))
    assert told.keys() == {"security_protocol", "ssl_context"}
    assert told["security_protocol"] == "SSL"
    assert isinstance(told["ssl_context"], ssl.SSLContext)


def test_the_sandbox_may_go_without_encryption() -> None:
    settings = load(Settings, kafka="k:9092", kafka_username="otp", kafka_password="pw", sandbox=True)
    assert access(Connection.of(settings, "otp"))["security_protocol"] == "SASL_PLAINTEXT"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "CA_FILE"):
        monkeypatch.setenv(f"OURS_KAFKA_{name}", "")
    assert Connection.of(load(Settings, kafka="k:9092"), "otp").access == OPEN


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_password": "secret-pw"}, "KAFKA_PASSWORD without KAFKA_USERNAME: set both"),
        ({"kafka_username": "otp", "kafka_ca_file": "system"}, "KAFKA_USERNAME without KAFKA_PASSWORD: set both"),
        ({"kafka_username": "otp", "kafka_password": "secret-pw"}, "Set KAFKA_CA_FILE to the CA certificates"),
        ({"kafka_ca_file": "/nowhere/ca.pem"}, "OURS_KAFKA_CA_FILE: there is no such file"),
        ({"kafka_ca_file": "system", "kafka_ephemeral": True}, "drop KAFKA_EPHEMERAL"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence_without_the_value(given: dict[str, object], said: str) -> None:
    with pytest.raises(SystemExit, match=said) as refused:
        load(Settings, kafka="k:9092", **given)
    assert "secret-pw" not in str(refused.value)


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"cannot be read from .*/ca\.pem"):
        access(Connection("k:9093", "otp", access=Access("otp", "pw", tmp_path / "ca.pem")))


def test_an_exchanged_file_is_read_again_and_an_old_one_is_not(ca_file: Path) -> None:
    ours = Access("otp", "pw", ca_file)
    first = ours.trust()
    assert ours.trust() is first
    Authority("next", utc_now()).trusted(ca_file)
    os.utime(ca_file, ns=(1, 1))
    assert ours.trust() is not first


def test_a_password_is_not_printed() -> None:
    assert "secret-pw" not in repr(Connection("k:9093", "otp", access=Access("otp", "secret-pw")))
