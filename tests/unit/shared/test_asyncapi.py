"""docs/asyncapi.json: current, valid AsyncAPI 3.0, complete, and true of what the code writes."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from shared.bus import ALL_TOPICS, DeadLetter, Place, Received
from shared.clock import utc_now
from shared.events import TOPICS, Undecodable
from shared.events.__main__ import DOCUMENT
from shared.events.asyncapi import VERSION, document, written
from shared.events.catalogue import CONTRACT, GROUPS, Entry
from shared.events.codec import encode
from shared.events.examples import examples
from shared.seal import SEALED_PATTERN

ROOT = Path(__file__).parents[3]
VENDOR = ROOT / "tests" / "vendor"


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """The document, read back."""
    return dict(orjson.loads(written()))


def resolved(contract: dict[str, Any], reference: str) -> Any:
    """What a `#/...` points to."""
    found: Any = contract
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def named(reference: str) -> tuple[str, str]:
    """Channel and message of `#/channels/<channel>/messages/<message>`."""
    _, _, channel, _, message = reference.split("/")
    return channel, message


def parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in it."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)


def validator(contract: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft7Validator:
    """Of one schema in the document."""
    return jsonschema.Draft7Validator(schema | {"components": contract["components"]})


def test_the_committed_document_is_that_of_the_code() -> None:
    assert DOCUMENT == ROOT / "docs" / "asyncapi.json"
    assert DOCUMENT.read_bytes() == written(), "run `make events`"


def test_it_bears_the_projects_version() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION


def test_it_is_valid_asyncapi_3_0(contract: dict[str, Any]) -> None:
    specification = orjson.loads((VENDOR / "asyncapi-3.0.0.json").read_bytes())
    checker = jsonschema.Draft7Validator(specification)
    assert [(list(error.path), error.message) for error in checker.iter_errors(contract)] == []
    broken = contract | {"operations": {"x": {"action": "publish"}}}
    assert not checker.is_valid(broken)


def test_the_specification_has_the_bytes_that_were_published() -> None:
    (recorded,) = tomllib.loads((VENDOR / "VENDOR.toml").read_text(encoding="utf-8"))["file"]
    assert hashlib.sha256((VENDOR / recorded["name"]).read_bytes()).hexdigest() == recorded["sha256"]


def test_every_reference_leads_somewhere(contract: dict[str, Any]) -> None:
    references = [part["$ref"] for part in parts(contract) if isinstance(part.get("$ref"), str)]
    assert len(references) > 100
    for reference in references:
        resolved(contract, reference)


def test_every_topic_is_a_channel_with_its_settings(contract: dict[str, Any]) -> None:
    assert set(contract["channels"]) == {topic.name for topic in ALL_TOPICS}
    for topic in ALL_TOPICS:
        channel = contract["channels"][topic.name]
        assert channel["address"] == topic.name
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        days = channel["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] / 86_400_000
        assert days == topic.retention_days


def test_operations_say_who_sends_and_who_hears_every_event(contract: dict[str, Any]) -> None:
    said = {
        (operation["action"], operation["tags"][0]["name"], *named(reference["$ref"]))
        for operation in contract["operations"].values()
        for reference in operation["messages"]
    }
    meant = {
        (action, service, topic.name, entry.event.type)
        for entry in CONTRACT
        for topic in entry.topics
        for action, services in (("send", entry.producers), ("receive", entry.consumers))
        for service in services
    }
    dead = {
        ("send", group.partition("-")[0], topic.dead.name, "dead-letter")
        for group, topics in GROUPS.items()
        for topic in topics
    } | {("receive", "console", topic.dead.name, "dead-letter") for topic in TOPICS}
    assert said == meant | dead


def test_operations_name_the_consumer_group(contract: dict[str, Any]) -> None:
    named = {
        (operation["bindings"]["kafka"]["groupId"]["enum"][0], operation["channel"]["$ref"].removeprefix("#/channels/"))
        for operation in contract["operations"].values()
        if "bindings" in operation
    }
    assert named == {(group, topic.name) for group, topics in GROUPS.items() for topic in topics}


@pytest.mark.parametrize("entry", CONTRACT, ids=lambda entry: entry.event.type)
def test_what_the_code_writes_is_what_the_message_says(entry: Entry, contract: dict[str, Any]) -> None:
    message = contract["components"]["messages"][entry.event.type]
    payload, headers = validator(contract, message["payload"]), validator(contract, message["headers"])
    for event in examples(entry.event):
        record = encode(event, f"00-{'a' * 32}-{'b' * 16}-01")
        payload.validate(orjson.loads(record.value))
        headers.validate({name: (value or b"").decode() for name, value in record.headers})
    assert len(message["examples"]) == 2
    for example in message["examples"]:
        payload.validate(example["payload"])
        headers.validate(example["headers"])


def test_a_dead_letter_has_the_headers_that_the_message_says(contract: dict[str, Any]) -> None:
    record = Received(Place("otp.challenges", 1), 2, utc_now(), None, None, ())
    letter = DeadLetter.of(record, Undecodable(part="headers", problem="x"), group="registry", attempts=1, at=utc_now())
    headers = {name: (value or b"").decode() for name, value in letter.outgoing().headers}
    schema = contract["components"]["schemas"]["DeadLetter"]
    validator(contract, schema).validate(headers)
    assert headers.keys() <= schema["properties"].keys()


def test_every_sealed_field_is_marked_and_nothing_else_is(contract: dict[str, Any]) -> None:
    sealed = [part for part in parts(contract["components"]["schemas"]) if part.get("pattern") == SEALED_PATTERN]
    marked = [part for part in parts(contract["components"]["schemas"]) if part.get("x-sealed")]
    assert len(sealed) == len(marked) == 7


def test_examples_hold_nothing_that_could_be_somebodys(contract: dict[str, Any]) -> None:
    text = orjson.dumps([message.get("examples") for message in contract["components"]["messages"].values()]).decode()
    text = re.sub(r"[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", text)
    assert not re.search(r"\+?\d{8,}|@|https?:", text)
    words = set(re.findall(r"[^\x00-\x7f]+|(?<=\"en\":\")[^\"]+", text))
    assert words == {"उदाहरण", "Example"}


def test_it_is_the_same_every_time() -> None:
    assert document() == document()
