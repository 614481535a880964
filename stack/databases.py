"""Fresh PostgreSQL databases for integration tests, empty or cloned from a template that was prepared once."""

import contextlib
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from stack.embedded.binaries import Binaries
from stack.embedded.postgres import psql


class Databases:
    """Makes databases on the server of `admin_url` for the role of `owner_url`, which may be the administrator."""

    def __init__(self, binaries: Binaries, admin_url: str, owner_url: str, folder: Path) -> None:
        """Connects with psql, once per statement: blocking, and bound to no event loop."""
        self._binaries, self._admin, self._owner, self._folder = binaries, admin_url, owner_url, folder
        self._templates: dict[str, str] = {}

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """A database that `prepare(url)` filled, at the first call for `name`; pass what this returns to `fresh`."""
        if name not in self._templates:
            database = self._make(f"template_{name}", None)
            prepare(self._url(database))
            self._sql(
                f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",  # noqa: S608  our name
            )
            self._templates[name] = database
        return self._templates[name]

    @contextlib.contextmanager
    def fresh(self, template: str | None = None) -> Iterator[str]:
        """The URL of a new database, dropped when the block ends."""
        database = self._make("test", template)
        try:
            yield self._url(database)
        finally:
            self._sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def close(self) -> None:
        """Drops the templates."""
        for database in self._templates.values():
            self._sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def _make(self, stem: str, template: str | None) -> str:
        database = f"{stem}_{secrets.token_hex(6)}"
        owner = self._owner.partition("://")[2].partition(":")[0]
        # FILE_COPY: with fsync off it clones faster than a copy through the write-ahead log.
        clone = f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""
        self._sql(f"CREATE DATABASE {database} OWNER {owner}{clone}")
        return database

    def _url(self, database: str) -> str:
        return f"{self._owner.rpartition('/')[0]}/{database}"

    def _sql(self, *statements: str) -> None:
        script = [word for statement in statements for word in ("-c", statement)]
        command = psql(self._binaries, self._admin, [*script], self._folder)
        done = subprocess.run(
            [str(word) for word in command.argv], cwd=command.cwd, env={**command.environment}, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
