"""An uploaded table: spooled to a file that has no name and dies with the process, then read in chunks."""

import asyncio
import codecs
import csv
import io
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import IO

from charset_normalizer import from_bytes

from services.registry.domain.failures import EmptyFile, NotText, Unreadable
from services.registry.domain.sheet import Header, Row

_CHUNK = 256 * 1024
_SAMPLE = 64 * 1024
"""Bytes that the encoding is guessed from where it is not UTF-8."""
_CANDIDATES = ["cp1252", "utf_16_le", "utf_8"]
"""Without this list a Windows-1252 file is taken for cp775 (portal.md P40, measured)."""
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CELL_LIMIT = 20_000
"""Characters: a quotation mark that is never closed swallows the rest of the file as one cell."""
_END = "\0end of file"
"""Read behind the last line: in a cell it tells of a quotation mark that is never closed."""


class SpooledUpload:
    """Implements `domain.ports.Upload`."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """`file` holds `size` bytes."""
        self._file = file
        self.size = size
        self._rows: Iterator[list[str]] = iter(())
        self._text: io.TextIOWrapper | None = None
        self._number = 0
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes read."""
        return self._position

    async def header(self) -> Header:
        """The first row that is not empty, and the encoding. Raises NotText, EmptyFile, Unreadable."""
        return await asyncio.to_thread(self._open)

    async def rows(self, at_most: int) -> Sequence[Row]:
        """The next rows; none at the end. Raises Unreadable, NotText."""
        return await asyncio.to_thread(self._next, at_most)

    def _open(self) -> Header:
        encoding = _encoding(self._file)
        self._file.seek(0)
        self._text = text = io.TextIOWrapper(self._file, encoding, newline="")  # kept alive: its end closes the file
        try:
            delimiter = _delimiter(text.read(_SAMPLE))
        except UnicodeError as error:  # behind a byte-order mark, which is believed
            raise NotText from error
        text.seek(0)
        self._rows = csv.reader(itertools.chain(text, [_END]), delimiter=delimiter)
        while rows := self._next(1):
            if any(cell.strip() for cell in rows[0].cells):
                return Header([cell.strip() for cell in rows[0].cells], encoding)
        raise EmptyFile

    def _next(self, at_most: int) -> list[Row]:
        found: list[Row] = []
        try:
            for cells in itertools.islice(self._rows, at_most):
                if cells == [_END]:
                    break
                self._number += 1
                if any(len(cell) > _CELL_LIMIT or cell.endswith(_END) for cell in cells):
                    raise Unreadable(row=self._number)
                found.append(Row(self._number, cells))
        except csv.Error as error:
            raise Unreadable(row=self._number + 1) from error
        except UnicodeError as error:
            raise NotText from error
        self._position = min(self._file.tell(), self.size)
        return found


@asynccontextmanager
async def spool(chunks: AsyncIterator[bytes]) -> AsyncIterator[SpooledUpload]:
    """An upload of `chunks`. Only its part in memory is bounded: the HTTP edge limits the whole."""
    with tempfile.TemporaryFile() as file:
        size = 0
        async for chunk in chunks:
            size += await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        yield SpooledUpload(file, size)


def _encoding(file: IO[bytes]) -> str:
    """BOM, else strict UTF-8, else the best guess among the candidates (P40). Raises NotText, EmptyFile."""
    file.seek(0)
    start = file.read(_SAMPLE)
    if not start.strip():
        raise EmptyFile
    if start.startswith(b"PK\x03\x04"):
        raise NotText  # a spreadsheet, not a text
    for bom, name in _BOMS:
        if start.startswith(bom):
            return name
    wrong = 0 if b"\0" in start else _first_that_is_not_utf8(file)
    if wrong is None:
        return "utf-8"
    file.seek(max(0, wrong - wrong % 2 - _SAMPLE // 2))
    guess = from_bytes(file.read(_SAMPLE), cp_isolation=_CANDIDATES).best()
    if guess is None or guess.encoding not in _CANDIDATES:
        raise NotText
    return guess.encoding


def _first_that_is_not_utf8(file: IO[bytes]) -> int | None:
    """Where the chunk begins that is not UTF-8; None: all is."""
    file.seek(0)
    utf8 = codecs.getincrementaldecoder("utf-8")()
    place = 0
    while chunk := file.read(_CHUNK):
        try:
            utf8.decode(chunk)
        except UnicodeDecodeError as error:
            return place + error.start
        place += len(chunk)
    try:
        utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        return place
    return None


def _delimiter(sample: str) -> str:
    line = next((line for line in sample.splitlines() if line.strip()), "")
    return max(",\t;", key=line.count)
