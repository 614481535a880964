"""The event contract for people (a page) and for tools (AsyncAPI): generated from the code that runs here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter, Response

from services.console.api.pages import Renderer
from shared.events import asyncapi
from shared.events.catalogue import CONTRACT, TOPICS, Entry

DOCUMENT = "/asyncapi.json"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field of a payload."""

    name: str
    kind: str
    sealed: bool
    text: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of the contract."""

    name: str
    text: str
    topics: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    fields: tuple[FieldRow, ...]
    example: str


@dataclass(frozen=True, slots=True)
class PartRow:
    """A value that several events share."""

    name: str
    text: str
    fields: tuple[FieldRow, ...]


def routes(page: Renderer) -> APIRouter:
    """The page and the document; both are made once."""
    body = asyncapi.written()
    document = orjson.loads(body)
    events, parts = event_rows(document), part_rows(document)
    router = APIRouter(include_in_schema=False)

    @router.get("/contract")
    async def contract() -> Response:
        return page.show("contract.html", topics=TOPICS, events=events, parts=parts, document=DOCUMENT)

    @router.get(DOCUMENT)
    async def as_asyncapi() -> Response:
        return Response(body, media_type="application/json", headers={"cache-control": "no-cache"})

    return router


def event_rows(document: Mapping[str, Any]) -> tuple[EventRow, ...]:
    """Every event, in the contract's order."""
    return tuple(_event_row(entry, document) for entry in CONTRACT)


def part_rows(document: Mapping[str, Any]) -> tuple[PartRow, ...]:
    """Every object that is part of an event, by name."""
    events = {entry.event.__name__ for entry in CONTRACT}
    schemas = document["components"]["schemas"]
    return tuple(
        PartRow(name, schema.get("description", ""), tuple(_fields(schema)))
        for name, schema in schemas.items()
        if name not in events
    )


def _event_row(entry: Entry, document: Mapping[str, Any]) -> EventRow:
    message = document["components"]["messages"][entry.event.type]
    schema = document["components"]["schemas"][entry.event.__name__]
    example = orjson.dumps(message["examples"][0]["payload"], option=orjson.OPT_INDENT_2).decode()
    topics = tuple(topic.name for topic in entry.topics)
    return EventRow(
        entry.event.type, message["summary"], topics, entry.producers, entry.consumers, tuple(_fields(schema)), example
    )


def _fields(schema: Mapping[str, Any]) -> Iterator[FieldRow]:
    for name, field in schema.get("properties", {}).items():
        parts = [field, *field.get("anyOf", ())]
        yield FieldRow(name, kind(field), any(part.get("x-sealed") for part in parts), field.get("description", ""))
    if "enum" in schema:
        yield FieldRow("one of", " | ".join(schema["enum"]), sealed=False, text="")


def kind(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(kind(part) for part in schema[union])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return " | ".join(map(repr, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema['items'])}"
    return str(schema.get("format", schema.get("type", "any")))
