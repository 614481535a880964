"""A made-up state as the files that are imported: all booths, twelve appointments each; constant memory."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Final

from stack.fixture import Booth, MadeUp, Size, booths, people, table

STATE: Final = 65_015
"""Booths of Madhya Pradesh in 2024."""
POSTS: Final = ("president", "secretary", "bla2", "whatsapp", "mkb", "labharthi", "panna", *("member",) * 5)
"""The twelve seats of a booth in the preset in-mp-2014."""
COLUMNS: Final = (
    "unit", "post", "name_hi", "name_en", "phone", "gender", "language", "notice_version", "notice_language",
    "external_ref",
)  # fmt: skip


def size_of(scale: float, seed: int) -> Size:
    """The part of the state that `scale` is, at least one booth."""
    return Size(max(1, round(STATE * scale)), seed)


def unit_files(size: Size, rows: int) -> Iterator[bytes]:
    """Lists of units with at most `rows` rows."""
    for page in _pages(booths(size), rows):
        yield table(page).encode()


def appointment_files(size: Size, at_once: int) -> Iterator[tuple[int, bytes]]:
    """Lists of appointments of `at_once` booths, each with its number of rows."""
    everybody = people(size.booths * len(POSTS), size.seed)
    for page in _pages(booths(size), at_once):
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for booth in page:
            writer.writerows(_rows(booth, islice(everybody, len(POSTS))))
        yield len(page) * len(POSTS), file.getvalue().encode()


def _rows(booth: Booth, holders: Iterator[MadeUp]) -> Iterator[tuple[str, ...]]:
    for number, (post, person) in enumerate(zip(POSTS, holders, strict=True)):
        yield (
            booth.code, post, person.name_hi, person.name_en, person.phone, person.gender, person.language,
            "1", person.language, f"drill-{booth.code}-{number}",
        )  # fmt: skip


def _pages(rows: Iterator[Booth], at_once: int) -> Iterator[list[Booth]]:
    while page := list(islice(rows, at_once)):
        yield page
