"""What the readers found, on disk: rows of every place, and one story after the other out of them."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from stack.audit.story import PLACES, Row, Story

_AT_ONCE = 5_000
_CACHE_KB = 16_000
"""For the table and for each of the nine sorts that are read side by side."""


class Notebook:
    """A SQLite file of one audit. Memory stays small at any size; the file needs some 2 KB per appointment."""

    def __init__(self, path: Path) -> None:
        """A new file: nothing of an earlier audit is kept."""
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{_CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        for kind, table in PLACES.items():
            self._db.execute(f"CREATE TABLE {table} ({', '.join(field.name for field in fields(kind))})")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, kind: type[Row], rows: Iterable[Row]) -> int:
        """Write down rows of one kind; returns how many. Constant memory."""
        names = [field.name for field in fields(kind)]
        insert = f"INSERT INTO {PLACES[kind]} VALUES ({', '.join('?' * len(names))})"  # noqa: S608  our own names
        count = 0

        def values() -> Iterator[tuple[Any, ...]]:
            nonlocal count
            for row in rows:
                count += 1
                yield tuple(getattr(row, name) for name in names)

        self._db.execute("BEGIN")
        self._db.executemany(insert, values())
        self._db.execute("COMMIT")
        return count

    def match_arrivals(self) -> None:
        """Give every SMS at the carrier the key of its message in the ledger."""
        self._db.execute("CREATE INDEX IF NOT EXISTS letters_message ON letters (message)")
        self._db.execute(
            "UPDATE arrived SET key = coalesce((SELECT key FROM letters WHERE letters.message = arrived.message), key)"
        )

    def match_acts_by_phone(self) -> None:
        """Acts that were written down under a phone get the key of what arrived there: one phone, one appointment.
        Whoever got something and wrote nothing down has done nothing. Call `match_arrivals` first."""
        self._db.execute("CREATE INDEX arrived_phone ON arrived (phone)")
        self._db.execute(
            "UPDATE acts SET key = coalesce((SELECT key FROM arrived WHERE arrived.phone = acts.phone LIMIT 1), key)"
        )
        self._db.execute("CREATE INDEX acts_key ON acts (key)")
        self._db.execute("CREATE INDEX held_key ON held (key)")
        self._db.execute(
            "INSERT INTO acts SELECT DISTINCT a.key, 'recorded', 0, a.phone, 'did nothing' FROM arrived AS a "
            "JOIN held ON held.key = a.key WHERE NOT EXISTS (SELECT 1 FROM acts WHERE acts.key = a.key)"
        )

    def states(self) -> dict[str, int]:
        """How many appointments are in each state."""
        return dict(self._db.execute("SELECT state, count(*) FROM held GROUP BY state ORDER BY 2 DESC"))

    def counts(self) -> dict[str, int]:
        """How many rows came from each place."""
        return {table: self._one(f"SELECT count(*) FROM {table}") for table in PLACES.values()}  # noqa: S608  ours

    def repeats(self) -> dict[str, int]:
        """Records in the topics, attempts that replaced one in doubt, and sends that were in doubt."""
        return {
            "records": self._one("SELECT count(*) FROM stated"),
            "new attempts": self._one("SELECT coalesce(sum(hows LIKE '%:again%'), 0) FROM challenges"),
            "sends in doubt": self._one(
                "SELECT count(DISTINCT subject) FROM stated WHERE type = 'delivery.unknown.v1'"
            ),
        }

    def stories(self) -> Iterator[Story]:
        """Everything about one key after the other, in the order of the keys."""
        streams = [_Stream(kind, self._sorted(kind)) for kind in PLACES]
        while keys := [stream.key for stream in streams if stream.key is not None]:
            story = Story(min(keys))
            for stream in streams:
                if stream.key == story.key:
                    getattr(story, PLACES[stream.kind]).extend(stream.take())
            yield story

    def _sorted(self, kind: type[Row]) -> Iterator[tuple[Any, ...]]:
        cursor = self._db.execute(f"SELECT * FROM {PLACES[kind]} ORDER BY key")  # noqa: S608  our own names
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows

    def _one(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])


class _Stream:
    """Rows of one kind, grouped by their key, with a look at the next key."""

    def __init__(self, kind: type[Row], rows: Iterator[tuple[Any, ...]]) -> None:
        self.kind = kind
        self._groups = groupby(rows, key=itemgetter(0))
        self.key: str | None = None
        self._group: Iterator[tuple[Any, ...]] = iter(())
        self._next()

    def take(self) -> list[Row]:
        rows = [self.kind(*values) for values in self._group]
        self._next()
        return rows

    def _next(self) -> None:
        self.key, self._group = next(self._groups, (None, iter(())))
