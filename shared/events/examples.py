"""Made-up events: for the documentation and for the golden corpus. Nothing in them is anybody's."""

import types
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from shared import ids
from shared.events.envelope import Event, Label
from shared.seal import SEALED_PATTERN

MOMENT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
_OF_PATTERN = {
    r"^[0-9a-f]{64}$": "0123456789abcdef" * 4,
    r"^\d{3}$": "000",
    SEALED_PATTERN: "s1.registry/1.notifier/1." + "A" * 96,
}
_OF_NAME = {
    "provider": "twilio",
    "template": "invitation",
    "code": "example",
    "about": "00000000-0000-0000-0000-000000000000:1",
}
_LABELS = ({"hi": "उदाहरण", "en": "Example"}, {"hi": "उदाहरण", "en": None}, {"hi": None, "en": "Example"})


def examples(event: type[Event]) -> tuple[Event, ...]:
    """Events of this type in which every value of every enumeration, every branch of every union, every optional field
    with and without a value occurs at least once. The first one has all optional fields. Always the same ones."""
    return tuple(event.model_validate(values) for values in _of_model(event))


def _of_model(model: type[BaseModel]) -> list[dict[str, Any]]:
    if model is Label:  # at least one script must be given
        return list(_LABELS)
    options = {name: _of_field(name, field) for name, field in model.model_fields.items()}
    rounds = max(map(len, options.values()))
    return [{name: values[number % len(values)] for name, values in options.items()} for number in range(rounds)]


def _of_field(name: str, field: FieldInfo) -> Sequence[Any]:
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return list(_values(name, annotation))


def _values(name: str, annotation: Any) -> Iterator[Any]:
    """All that should occur for a field: each branch once."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        pattern = next(filter(None, map(_pattern, arguments[1:])), None)
        yield from [_OF_PATTERN[pattern]] if pattern else _values(name, arguments[0])
    elif origin in {Union, types.UnionType}:
        for branch in arguments:  # None comes last in all our annotations
            yield from _values(name, branch)
    elif origin is Literal:
        yield from arguments
    elif origin is tuple:
        yield list(_values(name, arguments[0]))
        yield []
    elif origin is dict:
        yield {"1": next(_values(name, arguments[1]))}
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _of_model(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield from annotation
    else:
        yield from _plain(name, annotation)


def _plain(name: str, annotation: Any) -> Sequence[Any]:
    simple: dict[Any, Sequence[Any]] = {
        type(None): [None],
        bool: [True, False],
        int: [1],
        AwareDatetime: [MOMENT],
        UUID: [uuid5(ids.NAMESPACE, f"example:{name}")],
        str: [_OF_NAME.get(name, "1")],
    }
    return simple[annotation]


def _pattern(metadata: Any) -> str | None:
    if isinstance(metadata, FieldInfo):
        return next(filter(None, map(_pattern, metadata.metadata)), None)
    found = getattr(metadata, "pattern", None)
    return found if isinstance(found, str) else None
