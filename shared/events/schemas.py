"""JSON Schema of every event as it stands on the wire, with and without words."""

from typing import Any

from shared.events.envelope import Event

_WORDS = {"title", "description", "examples"}
_NAMED = {"properties", "$defs"}


def schema(event: type[Event]) -> dict[str, Any]:
    """What a record of `event` looks like. All fields are always written, also those that have a default."""
    return event.model_json_schema(mode="serialization")


def bare(schema: Any) -> Any:
    """`schema` without titles, descriptions and our own marks: what remains is what a reader relies on."""
    if isinstance(schema, list):
        return [bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: bare(part) for name, part in value.items()} if key in _NAMED else bare(value)
        for key, value in schema.items()
        if key not in _WORDS and not key.startswith("x-")
    }
