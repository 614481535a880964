"""The golden corpus: what every released revision of every event looked like on the wire, never changed again.

One file per revision, `golden/<type>/<revision>.json`: the schema that readers of that revision rely on, and records as
its producers wrote them. A revision is a change within a major version, so only something was added. Tests decode
every record with the newest code, and hold what the newest code writes against every schema.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.events.catalogue import CONTRACT
from shared.events.codec import Headers, encode
from shared.events.envelope import Event
from shared.events.examples import examples
from shared.events.schemas import bare, schema

GOLDEN = Path(__file__).with_name("golden")


@dataclass(frozen=True, slots=True)
class GoldenRecord:
    """A record as it lay in a topic."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Revision:
    """One released revision of an event type."""

    event_type: str
    number: int
    schema: Mapping[str, Any]
    records: tuple[GoldenRecord, ...]

    def __str__(self) -> str:
        return f"{self.event_type} revision {self.number}"


def revisions(folder: Path = GOLDEN) -> Iterator[Revision]:
    """All of them, the newest of a type last."""
    for path in sorted(folder.glob("*/*.json"), key=lambda path: (path.parent.name, int(path.stem))):
        content = orjson.loads(path.read_bytes())
        records = tuple(_read(record) for record in content["records"])
        yield Revision(path.parent.name, int(path.stem), content["schema"], records)


def missing(folder: Path = GOLDEN) -> Iterator[tuple[Path, type[Event]]]:
    """Events whose newest recorded revision is not the code's, with the file that `write` would add."""
    newest = {revision.event_type: revision for revision in revisions(folder)}
    for entry in CONTRACT:
        known = newest.get(entry.event.type)
        if known is None or known.schema != bare(schema(entry.event)):
            yield folder / entry.event.type / f"{known.number + 1 if known else 1}.json", entry.event


def write(folder: Path = GOLDEN) -> list[Path]:
    """Record what has no recorded revision yet, and return the new files. A file that exists is never changed."""
    added = []
    for path, event in list(missing(folder)):
        content = {"schema": bare(schema(event)), "records": [_written(example) for example in examples(event)]}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        added.append(path)
    return added


def _written(event: Event) -> dict[str, Any]:
    """Bytes as text: all of ours are UTF-8, and people can read the difference of two revisions."""
    record = encode(event)
    headers = [[name, value.decode() if value is not None else None] for name, value in record.headers]
    return {"topic": record.topic, "key": record.key.decode(), "headers": headers, "value": record.value.decode()}


def _read(record: Mapping[str, Any]) -> GoldenRecord:
    headers = tuple((name, value.encode() if value is not None else None) for name, value in record["headers"])
    return GoldenRecord(record["topic"], record["key"].encode(), record["value"].encode(), headers)
