"""PostgreSQL 18 with passwords, on loopback only, as an unprivileged user when we are root."""

import os
import pwd
import secrets
import shutil
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stack import ports
from stack.child import Child, Command, StartFailed, Waiting
from stack.embedded.binaries import Binaries, copy_postgres
from stack.embedded.starting import READY_SECONDS, until
from stack.folder import RunFolder

# terse, and no statements: an error's DETAIL and the failed statement would put phones and names into the log.
# scram_iterations: the passwords are 192 random bits, so stretching them only costs every connection 4096 hashes.
# mmap: a SIGKILL then leaves nothing in /dev/shm.
_CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
password_encryption = scram-sha-256
scram_iterations = 1
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
"""
_ACCESS = "host all all 127.0.0.1/32 scram-sha-256\n"
_ADMIN = "postgres"


@dataclass(frozen=True)
class Database:
    """A database and the role that owns it; both bear `name`."""

    name: str
    password: str


class Postgres:
    """One server with its data in the run folder and one database with its own role per name asked for."""

    name = "postgres"

    def __init__(
        self, binaries: Binaries, folder: RunFolder, preferred: int | None, names: tuple[str, ...], *, durable: bool
    ) -> None:
        """Prepares it on `preferred` or any free port; not `durable` is faster and lost with the machine: for tests."""
        self._binaries, self._run, self._preferred, self._durable = binaries, folder, preferred, durable
        self._password = secrets.token_urlsafe(24)
        self._uid = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.databases = tuple(Database(name, secrets.token_urlsafe(24)) for name in names)
        self._programs = binaries.postgres
        self.port = 0
        self.child: Child | None = None

    @property
    def admin_url(self) -> str:
        """The superuser's URL."""
        return self._url(_ADMIN, self._password, "postgres")

    def url(self, name: str) -> str:
        """The URL of one of the databases, as its owner."""
        database = next(database for database in self.databases if database.name == name)
        return self._url(database.name, database.password, database.name)

    def starting(self) -> Waiting:
        """Makes the data folder, starts the server and makes roles and databases; raises `StartFailed`."""
        home = self._run.path / self.name
        home.mkdir(mode=0o700)
        if self._uid is not None:
            self._programs = copy_postgres(self._binaries, home / "programs")
        yield
        yield from self._making_data(home)
        yield from self._serving(home)
        if self.databases:
            yield from self._making_databases(home)

    def starting_again(self, *, seconds: float = 60.0) -> Waiting:
        """Starts it on its data and port after it was killed; raises `StartFailed`. What the killed one has left
        running ends by itself, and until then the new one refuses to start."""
        home, deadline = self._run.path / self.name, time.monotonic() + seconds
        data = home / "data"
        while True:
            command = self._command(self.name, [self._programs / "bin" / "postgres", "-D", data], home)
            child = self.child = Child(command, self._run)
            yield from until(partial(_is_ready, data, child.pid), child, seconds=seconds)
            if child.exit_code is None:
                return
            if time.monotonic() > deadline:
                raise StartFailed(child.story("did not start again"))

    def _making_data(self, home: Path) -> Waiting:
        secret = home / "password"
        _write(secret, self._password)
        self._give(home, secret)
        argv: list[str | Path] = [
            self._programs / "bin" / "initdb",
            "-D",
            home / "data",
            "-U",
            _ADMIN,
            "--pwfile",
            secret,
        ]
        argv += ["--auth=scram-sha-256", "--no-sync", "--no-instructions", "--encoding=UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--set", "scram_iterations=1"]
        argv += ["--set", "dynamic_shared_memory_type=mmap"]
        yield from Child(self._command("initdb", argv, home), self._run).finishing(READY_SECONDS)
        secret.unlink()
        for file, text in (("pg_hba.conf", _ACCESS), ("pg_ident.conf", "")):
            _write(home / "data" / file, text)
            self._give(home / "data" / file)

    def _serving(self, home: Path) -> Waiting:
        data = home / "data"
        for attempt in range(3):
            self.port = ports.pick(self._preferred if attempt == 0 else None)
            durable = "on" if self._durable else "off"
            _write(data / "postgresql.conf", _CONFIGURATION.format(port=self.port, durable=durable))
            self._give(data / "postgresql.conf")
            child = self.child = Child(
                self._command(self.name, [self._programs / "bin" / "postgres", "-D", data], home), self._run
            )
            yield from until(partial(_is_ready, data, child.pid), child, seconds=READY_SECONDS)
            if child.exit_code is None:
                return
        raise StartFailed(child.story("did not start"))

    def _making_databases(self, home: Path) -> Waiting:
        script = home / "databases.sql"
        statements = ["REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;"]
        for database in self.databases:
            statements += [
                f"CREATE ROLE {database.name} LOGIN PASSWORD '{database.password}';",
                f"CREATE DATABASE {database.name} OWNER {database.name};",
                f"REVOKE ALL ON DATABASE {database.name} FROM PUBLIC;",
            ]
        _write(script, "\n".join(statements))
        command = psql(self._binaries, self.admin_url, ["-f", script], home)
        yield from Child(command, self._run).finishing(READY_SECONDS)
        script.unlink()

    def _command(self, name: str, argv: list[str | Path], cwd: Path) -> Command:
        # SIGQUIT is PostgreSQL's immediate shutdown: unlike SIGKILL it ends its children and frees its shared memory.
        return Command(name, argv, cwd, {"LC_ALL": "C", "PATH": os.defpath}, self._uid, signal.SIGQUIT, signal.SIGQUIT)

    def _give(self, *paths: Path) -> None:
        if self._uid is not None:
            for path in paths:
                shutil.chown(path, self._uid, self._uid)

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"


def psql(binaries: Binaries, url: str, argv: list[str | Path], cwd: Path) -> Command:
    """PostgreSQL's client for `url`; the password travels in its environment, because every user sees command lines."""
    location, _, rest = url.partition("://")[2].rpartition("@")
    role, _, password = location.partition(":")
    options: list[str | Path] = [binaries.psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    return Command("psql", [*options, f"postgresql://{role}@{rest}", *argv], cwd, {"PGPASSWORD": password})


def _is_ready(data: Path, pid: int) -> bool:
    """As pg_ctl knows it: line 8 of postmaster.pid says so, and line 1 says that it is this server's file."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
