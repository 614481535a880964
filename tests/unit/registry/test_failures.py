"""Failures as data."""

import inspect
import string
from typing import Any

from services.registry.domain import failures
from shared.errors import Failure

ALL = [
    item
    for _, item in inspect.getmembers(failures, inspect.isclass)
    if issubclass(item, Failure) and item.__module__ == failures.__name__
]


def test_every_failure_has_a_code_of_its_own_and_a_sentence() -> None:
    codes = [failure.code for failure in ALL]
    assert len(set(codes)) == len(codes)
    for failure in ALL:
        assert failure.__doc__ is not None
        assert failure.__doc__.strip().endswith(("...`.", "."))


def test_every_row_failure_can_be_made_again_from_its_details() -> None:
    for code, failure in failures.ROW_FAILURES.items():
        template = " ".join((failure.__doc__ or "").split())
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        details: dict[str, Any] = dict.fromkeys(names, "x")
        made = failure(field="phone", **details)
        assert made.code == code
        assert "{" not in made.message
