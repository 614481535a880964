"""JSON Schema of every event, and the committed snapshots that a test holds the code against."""

from pathlib import Path

import orjson

from shared.events.catalogue import CONTRACT
from shared.events.envelope import Event

SNAPSHOTS = Path(__file__).with_name("snapshots")


def schema(event: type[Event]) -> bytes:
    """The JSON Schema of `event` as it stands on the wire, in a stable form."""
    return orjson.dumps(
        event.model_json_schema(mode="serialization"),
        option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE,
    )


def snapshot(event: type[Event]) -> Path:
    """Where the snapshot of this event and version is committed."""
    return SNAPSHOTS / f"{event.type}.json"


def write() -> None:
    """Write the snapshot of every event of the contract."""
    SNAPSHOTS.mkdir(exist_ok=True)
    for entry in CONTRACT:
        snapshot(entry.event).write_bytes(schema(entry.event))
