"""The golden corpus: the newest code reads what was released, and released readers read what the newest code writes.

Every check is proved by mutations: a contract that somebody broke must fail here, one that only grew must pass.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

import jsonschema
import orjson
import pytest
from pydantic import Field

from shared.events import (
    ChallengeLocked,
    Event,
    Fingerprints,
    PersonErased,
    Undecodable,
    Via,
    codec,
    decode,
    encode,
    golden,
)
from shared.events.catalogue import CONTRACT, EVENTS, Entry, topics_of
from shared.events.codec import Record
from shared.events.examples import examples
from shared.events.golden import GOLDEN, GoldenRecord, Revision, missing, revisions, write
from shared.events.schemas import bare, schema

RELEASED = list(revisions())

CHECKER = jsonschema.FormatChecker(["uuid"])


@CHECKER.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    """RFC 3339: a date, a time and an offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def contains(new: Any, old: Any) -> bool:
    """Whether all that `old` says is still said: fields may be added, none may be lost or changed."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and contains(new[key], value) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(new) == len(old) and all(map(contains, new, old))
    return bool(new == old)


def unread(record: GoldenRecord) -> str | None:
    """Why the newest code does not read a released record as it was meant; None: it does."""
    try:
        event = decode(record.value, record.headers)
    except Undecodable as failure:
        return failure.message
    again = encode(event)
    if not contains(orjson.loads(again.value), orjson.loads(record.value)):
        return "a field is lost or has another meaning"
    if (again.topic, again.key) != (record.topic, record.key):
        return "topic or key changed: the order of records of one key is lost"
    if not set(record.headers) <= set(again.headers):
        return "headers changed"
    return None


def misread(record: Record, revision: Revision) -> str | None:
    """Why readers of a released revision cannot rely on what the newest code wrote; None: they can."""
    checker = jsonschema.Draft202012Validator(revision.schema, format_checker=CHECKER)
    return next(
        (f"{list(error.path)}: {error.message}" for error in checker.iter_errors(orjson.loads(record.value))), None
    )


def of(event: type[Event]) -> Revision:
    """The newest released revision of an event."""
    return [revision for revision in RELEASED if revision.event_type == event.type][-1]


@pytest.mark.parametrize("revision", RELEASED, ids=str)
def test_the_newest_code_reads_what_was_released(revision: Revision) -> None:
    assert revision.records
    assert [unread(record) for record in revision.records if unread(record)] == []


@pytest.mark.parametrize("revision", RELEASED, ids=str)
def test_released_readers_can_rely_on_what_the_newest_code_writes(revision: Revision) -> None:
    newest = [encode(example) for example in examples(EVENTS[revision.event_type])]
    assert [misread(record, revision) for record in newest if misread(record, revision)] == []


@pytest.mark.parametrize("revision", RELEASED, ids=str)
def test_released_records_fit_their_own_schema(revision: Revision) -> None:
    for record in revision.records:
        assert misread(Record(record.topic, record.key, record.value, record.headers), revision) is None


def test_what_the_code_writes_is_recorded() -> None:
    assert [path.relative_to(GOLDEN) for path, _ in missing()] == [], "run `make events`"


def test_revisions_are_numbered_without_gaps_and_none_is_without_its_event() -> None:
    numbers: dict[str, list[int]] = {}
    for revision in RELEASED:
        numbers.setdefault(revision.event_type, []).append(revision.number)
    assert numbers.keys() == EVENTS.keys()
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def enumerated(part: Any) -> Iterator[str]:
    """Every value of every enumeration in a schema."""
    if isinstance(part, dict):
        yield from part.get("enum", ())
        yield from [part["const"]] if isinstance(part.get("const"), str) else ()
        for inner in part.values():
            yield from enumerated(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from enumerated(inner)


@pytest.mark.parametrize("entry", CONTRACT, ids=lambda entry: entry.event.type)
def test_examples_hold_every_value_of_every_enumeration_and_every_optional_field_both_ways(entry: Entry) -> None:
    written = [orjson.loads(encode(example).value) for example in examples(entry.event)]
    for value in enumerated(bare(schema(entry.event))):
        assert any(f'"{value}"'.encode() in orjson.dumps(record) for record in written), value
    for field, info in entry.event.model_fields.items():
        if info.default is None:
            assert {record[field] is None for record in written} == {True, False}, field


def test_every_topic_of_an_event_is_in_the_corpus() -> None:
    recorded = {(revision.event_type, record.topic) for revision in RELEASED for record in revision.records}
    assert recorded == {(name, topic.name) for name, event in EVENTS.items() for topic in topics_of(event)}


# ---- mutations: each is a change that somebody might make to `challenge.locked.v1` or `person.erased.v1`


class FieldRemoved(Event):
    """`via` is gone."""

    type: ClassVar[str] = ChallengeLocked.type
    appointment_id: UUID
    cycle: int

    @property
    def key(self) -> str:
        """As released."""
        return str(self.appointment_id)


class FieldRenamed(FieldRemoved):
    """`via` has another name, and a default so that old records still decode."""

    channel: Via = Via.WEB


class EnumTightened(FieldRemoved):
    """One value of `via` is no longer known."""

    via: Literal["web", "telegram"]


class EnumWidened(FieldRemoved):
    """A value is written that released readers do not know."""

    via: Literal["web", "sms", "telegram", "letter"]


class RequiredAdded(ChallengeLocked):
    """Released records do not have it."""

    guesses: int


class RuleTightened(FieldRemoved):
    """Released records break the new rule."""

    cycle: int = Field(ge=2)
    via: Via


class TypeChanged(FieldRemoved):
    """A number became a text."""

    cycle: str  # type: ignore[assignment]
    via: Via


class OtherKey(ChallengeLocked):
    """Records of one appointment are no longer in one partition."""

    @property
    def key(self) -> str:
        """Another one."""
        return str(self.subject)


class OptionalRemoved(Event):
    """A field with a default is gone: old records decode, and fingerprints are not forgotten."""

    type: ClassVar[str] = PersonErased.type
    appointment_ids: tuple[UUID, ...]


class OptionalAdded(ChallengeLocked):
    """The one change that is allowed within a major version."""

    guesses: int | None = None


class OptionalAddedToo(PersonErased):
    """The same, with a default that is no null."""

    by: Literal["person", "recorder"] = "person"
    more: tuple[Fingerprints, ...] = ()


def backward(mutant: type[Event], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the mutant makes of released records."""
    monkeypatch.setitem(EVENTS, mutant.type, mutant)
    monkeypatch.setattr(codec, "topic_of", lambda event: topics_of(_original(event))[0])
    return [problem for record in of(mutant).records if (problem := unread(record))]


def forward(mutant: type[Event], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What released readers make of the mutant's records."""
    monkeypatch.setattr(codec, "topic_of", lambda event: topics_of(_original(event))[0])
    return [problem for event in examples(mutant) if (problem := misread(encode(event), of(mutant)))]


def _original(event: Event) -> type[Event]:
    return next(entry.event for entry in CONTRACT if entry.event.type == event.type)


@pytest.mark.parametrize(
    "mutant",
    [FieldRemoved, FieldRenamed, EnumTightened, RequiredAdded, RuleTightened, TypeChanged, OtherKey, OptionalRemoved],
)
def test_a_mutant_that_cannot_read_what_was_released_is_found(
    mutant: type[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backward(mutant, monkeypatch)


@pytest.mark.parametrize("mutant", [FieldRemoved, FieldRenamed, EnumWidened, TypeChanged, OptionalRemoved])
def test_a_mutant_that_released_readers_cannot_read_is_found(
    mutant: type[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forward(mutant, monkeypatch)


@pytest.mark.parametrize("grown", [ChallengeLocked, PersonErased, OptionalAdded, OptionalAddedToo])
def test_a_contract_that_only_grew_passes_both_ways(grown: type[Event], monkeypatch: pytest.MonkeyPatch) -> None:
    assert backward(grown, monkeypatch) == []
    assert forward(grown, monkeypatch) == []


# ---- recording


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a corpus."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.glob("*/*.json"))}


def test_a_changed_event_gets_the_next_revision_and_no_released_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    before = contents(tmp_path)
    assert write(tmp_path) == []
    grown = [
        Entry(OptionalAdded, entry.topics, entry.producers, entry.consumers)
        if entry.event is ChallengeLocked
        else entry
        for entry in CONTRACT
    ]
    monkeypatch.setattr(golden, "CONTRACT", grown)
    monkeypatch.setattr(codec, "topic_of", lambda event: topics_of(_original(event))[0])
    assert [path.relative_to(tmp_path).as_posix() for path in write(tmp_path)] == ["challenge.locked.v1/2.json"]
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert list(revisions(tmp_path))[-1].event_type == "reply.received.v1"
    assert after.keys() - before.keys() == {"challenge.locked.v1/2.json"}


def test_words_alone_make_no_revision() -> None:
    class Described(ChallengeLocked):
        """Other words."""

        title: ClassVar[str] = "x"

    assert bare(schema(Described)) == bare(schema(ChallengeLocked))


def test_a_field_that_is_named_like_a_word_is_kept() -> None:
    assert bare({"title": "T", "properties": {"title": {"title": "t", "type": "string"}}}) == {
        "properties": {"title": {"type": "string"}}
    }
