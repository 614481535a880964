"""What the command prints: data on stdout as a table, tab-separated lines or JSON; everything else on stderr."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

Format = Annotated[Literal["table", "plain", "json"], Parameter(help="table for people, plain is tab-separated, json")]
Value = str | int | float | bool | None
Row = Mapping[str, object]

_IST = ZoneInfo("Asia/Kolkata")


class Exit(IntEnum):
    """Exit codes, the same for every verb."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    FOUND = 3
    """It worked, and there is something to look at: lag, dead letters, rejected rows."""
    NOT_FOUND = 4
    NOT_ALLOWED = 5
    UNREACHABLE = 6
    PARTLY = 7
    INTERRUPTED = 130


def show(schema: str, rows: Sequence[Row], columns: Sequence[str], form: Format, *, empty: str) -> None:
    """Print `rows`: as one JSON document `{"schema", "data"}`, as tab-separated lines, or as a table."""
    if form == "json":
        line({"schema": f"boothline.{schema}/1", "data": list(rows)})
    elif form == "plain":
        for row in rows:
            sys.stdout.write("\t".join(_plain(row.get(column)) for column in columns) + "\n")
    elif not rows:
        say(empty)
    else:
        _table(rows, columns)


def line(value: object) -> None:
    """Print one JSON line."""
    sys.stdout.write(orjson.dumps(value, default=str).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person at the terminal; never part of the data."""
    Console(stderr=True, highlight=False).print(text, markup=False)


def local(at: str) -> str:
    """An ISO time as people in India read it."""
    return datetime.fromisoformat(at).astimezone(_IST).strftime("%d %b %H:%M:%S")


def _table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console(highlight=False).print(table)


def _cell(value: object) -> str:
    text = _plain(value)
    try:
        return local(text) if isinstance(value, str) and "T" in text else text
    except ValueError:
        return text


def _plain(value: object) -> str:
    return "" if value is None else str(value).replace("\t", " ").replace("\n", " ")
