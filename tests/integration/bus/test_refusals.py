"""A broker without TLS and users, asked with them: what is wrong is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.bus import BusUnavailable, Connection, cluster_id
from shared.bus.access import Access
from shared.bus.kafka import diagnosis
from shared.bus.wire import AccessRefused
from shared.clock import utc_now
from shared.events import PEOPLE
from tests.integration.security.certificates import Authority


@pytest.mark.kafka  # the embedded broker waits in silence for the rest of what it takes for a request
async def test_a_broker_that_speaks_no_tls_is_said_to_speak_none(
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "_SECONDS", 60.0)
    trusted = Authority("ours", utc_now()).trusted(tmp_path / "ca.pem")
    plain = Connection(kafka_bootstrap, "tests")
    with pytest.raises(AccessRefused, match=f"{kafka_bootstrap} does not speak TLS"):
        await cluster_id(replace(plain, access=Access(ca_file=trusted)))
    with pytest.raises(AccessRefused, match=f"{kafka_bootstrap} does not speak TLS"):
        await cluster_id(replace(plain, access=Access("otp", "pw", trusted)))


async def test_a_broker_that_is_away_is_not_taken_for_one_that_refuses(tmp_path: Path) -> None:
    trusted = Authority("ours", utc_now()).trusted(tmp_path / "ca.pem")
    for access in (Access(), Access(ca_file=trusted), Access("otp", "pw", trusted)):
        with pytest.raises(BusUnavailable) as failure:
            await cluster_id(Connection("127.0.0.1:1", "tests", access=access))
        assert type(failure.value) is BusUnavailable


async def test_a_write_to_a_connection_that_was_just_closed_is_a_broker_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def closed(_: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")  # uvloop

    monkeypatch.setattr("aiokafka.client.AIOKafkaClient.bootstrap", closed)
    connection = Connection("127.0.0.1:1", "tests")
    with pytest.raises(BusUnavailable):
        await connection.publisher().start()
    with pytest.raises(BusUnavailable):
        await connection.reader().topics()
    with pytest.raises(BusUnavailable):
        await connection.reader().ends([PEOPLE])
