"""The contract as an AsyncAPI 3.0 document: servers, channels, operations of every service, messages, examples."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from pydantic.json_schema import models_json_schema

from shared.events.catalogue import CONTRACT, DAY_MS, GROUPS, REPLICAS, TOPICS, Entry, Service, Topic
from shared.events.codec import TRACE_HEADER, TYPE_HEADER, encode
from shared.events.envelope import Event
from shared.events.examples import examples

VERSION = "0.1.0"
_BINDING = "0.5.0"
_DEAD = "dead-letter"
Json = dict[str, Any]

_DESCRIPTION = """\
A booth appointment is recorded, a one-time code goes out by Telegram or SMS, the worker confirms, the portal shows \
it, the unit's channel is told. The services meet only in these topics.

**Order.** Records of one key are handled in order, each at least once; `event_id` is the same on every retry and \
replay. State events carry the full state and a growing `version`: a reader ignores what is not above the version it \
knows.

**Evolution.** Within a major version (the end of the type) fields are only added; readers ignore fields they do not \
know. An unknown type is skipped, an unknown major version of a known type becomes a dead letter.

**Personal data.** Fields marked `x-sealed` are NaCl boxes from one service to another (`s1.<sender>/<kid>.\
<receiver>/<kid>.<box>`): nobody else opens them. Record keys are never personal.
"""


def document() -> Json:
    """All of it, generated from the catalogue; tests hold docs/asyncapi.json against it."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:boothline",
        "info": {"title": "Boothline", "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": _SERVERS,
        "channels": {name: channel for topic in TOPICS for name, channel in _channels(topic)},
        "operations": dict(_operations()),
        "components": {
            "schemas": _payloads() | {"CloudEvent": _CLOUD_EVENT, "DeadLetter": _DEAD_LETTER},
            "messages": {entry.event.type: _message(entry) for entry in CONTRACT} | {_DEAD: _dead_message()},
            "securitySchemes": {
                "scram": {"type": "scramSha512", "description": "SASL_SSL, one principal per service, ACLs on top."}
            },
        },
    }


def written() -> bytes:
    """The document as the file in docs/ holds it."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


_SERVERS: Json = {
    "production": {
        "host": "{bootstrap}",
        "protocol": "kafka-secure",
        "description": "Apache Kafka 4 with TLS and SCRAM-SHA-512 (<SERVICE>_KAFKA, _KAFKA_USERNAME, _KAFKA_CA_FILE).",
        "variables": {"bootstrap": {"description": "One of the bootstrap servers.", "default": "kafka:9093"}},
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    },
    "loopback": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "`make demo` and `make up`."},
}

_CLOUD_EVENT: Json = {
    "type": "object",
    "description": "CloudEvents 1.0 in Kafka's binary mode, and the W3C trace context.",
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid", "description": "The payload's `event_id`."},
        TYPE_HEADER: {"type": "string"},
        "ce_source": {"type": "string", "format": "uri-reference", "description": "/boothline/<topic>"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_subject": {"type": "string", "format": "uuid"},
        "content-type": {"const": "application/json"},
        TRACE_HEADER: {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
    "required": ["ce_specversion", "ce_id", TYPE_HEADER, "ce_source", "ce_time", "ce_subject", "content-type"],
}

_DEAD_LETTER: Json = {
    "type": "object",
    "description": "Headers that are added to those of the original record. No exception text: it may hold a phone.",
    "properties": {
        "x-dead-reason": {"type": "string", "description": "Code of the failure."},
        "x-dead-topic": {"type": "string"},
        "x-dead-partition": {"type": "string", "pattern": "^[0-9]+$"},
        "x-dead-offset": {"type": "string", "pattern": "^[0-9]+$"},
        "x-dead-timestamp": {"type": "string", "format": "date-time"},
        "x-dead-group": {"type": "string", "enum": sorted(GROUPS)},
        "x-dead-attempts": {"type": "string", "pattern": "^[0-9]+$"},
        "x-dead-seconds": {
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "description": "From the first attempt to the end of the last.",
        },
        "x-dead-at": {"type": "string", "format": "date-time"},
        "x-dead-error": {"type": "string", "description": "Class name of the failure."},
        "x-dead-empty": {"const": "1", "description": "The original record had neither key nor value."},
    },
    "required": [
        f"x-dead-{name}"
        for name in ("reason", "topic", "partition", "offset", "timestamp", "group", "attempts", "at", "error")
    ],
}


def _channels(topic: Topic) -> Iterator[tuple[str, Json]]:
    events = [entry.event.type for entry in CONTRACT if topic in entry.topics]
    yield topic.name, _channel(topic, f"What {topic.owner} owns: {', '.join(events)}.", events)
    yield topic.dead.name, _channel(topic.dead, f"Records of {topic.name} that could not be handled.", [_DEAD])


def _channel(topic: Topic, description: str, messages: Iterable[str]) -> Json:
    configuration = {
        "cleanup.policy": [topic.cleanup],
        "retention.ms": topic.retention_days * DAY_MS,
        "max.message.bytes": topic.max_bytes,
    }
    return {
        "address": topic.name,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "tags": [{"name": topic.owner}],
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": REPLICAS,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operations() -> Iterator[tuple[str, Json]]:
    """What every service does, from its own point of view."""
    for topic in TOPICS:
        entries = [entry for entry in CONTRACT if topic in entry.topics]
        for service in _each(entry.producers for entry in entries):
            sent = [entry.event.type for entry in entries if service in entry.producers]
            yield f"{service}.send.{topic.name}", _operation("send", service, topic, sent)
        for service in _each(entry.consumers for entry in entries):
            heard = [entry.event.type for entry in entries if service in entry.consumers]
            group = next(name for name, topics in GROUPS.items() if topic in topics and name.startswith(service))
            yield f"{service}.receive.{topic.name}", _operation("receive", service, topic, heard, group)
            yield f"{service}.send.{topic.dead.name}", _operation("send", service, topic.dead, [_DEAD])
        yield f"console.receive.{topic.dead.name}", _operation("receive", "console", topic.dead, [_DEAD])


def _operation(action: str, service: Service, topic: Topic, messages: Iterable[str], group: str | None = None) -> Json:
    reference = f"#/channels/{topic.name}"
    operation: Json = {
        "action": action,
        "channel": {"$ref": reference},
        "tags": [{"name": service}],
        "messages": [{"$ref": f"{reference}/messages/{name}"} for name in messages],
    }
    if group:
        operation["bindings"] = {
            "kafka": {"groupId": {"type": "string", "enum": [group]}, "bindingVersion": _BINDING},
        }
    return operation


def _message(entry: Entry) -> Json:
    event = entry.event
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": _first_line(event),
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"type": "object", "properties": {TYPE_HEADER: {"const": event.type}}},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "correlationId": {"location": "$message.payload#/causation_id", "description": "The event that caused it."},
        "bindings": {"kafka": {"key": _key(event), "bindingVersion": _BINDING}},
        "examples": [_example(example) for example in _two(event)],
    }


def _dead_message() -> Json:
    return {
        "name": _DEAD,
        "title": "Dead letter",
        "summary": "A record that could not be handled: key, value and headers untouched, and why.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": "#/components/schemas/DeadLetter"},
        "payload": {"description": "The bytes of the original record's value, or null."},
        "bindings": {"kafka": {"key": {"type": ["string", "null"]}, "bindingVersion": _BINDING}},
    }


def _key(event: type[Event]) -> Json:
    described = inspect.getattr_static(event, "key").__doc__
    return {"type": "string", "format": "uuid", "description": described}


def _example(event: Event) -> Json:
    headers = {name: value.decode() for name, value in encode(event).headers if value is not None}
    return {"headers": headers, "payload": orjson.loads(event.model_dump_json())}


def _two(event: type[Event]) -> list[Event]:
    """With and without the optional fields."""
    return list(examples(event)[:2])


def _payloads() -> Json:
    inputs = [(entry.event, "serialization") for entry in CONTRACT]
    _, made = models_json_schema(inputs, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: Mapping[str, Json] = made["$defs"]
    return {name: _without_discriminators(schemas[name]) for name in sorted(schemas)}


def _without_discriminators(schema: Any) -> Any:
    """Pydantic writes OpenAPI's form, which AsyncAPI does not know; the constants in the branches say the same."""
    if isinstance(schema, list):
        return [_without_discriminators(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_discriminators(part) for key, part in schema.items() if key != "discriminator"}


def _first_line(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split())


def _each(groups: Iterable[Iterable[Service]]) -> list[Service]:
    return list(dict.fromkeys(service for group in groups for service in group))
