"""Variables are replaced as compose replaces them."""

import pytest

from tests.unit.deploy.compose_file import LoneDollar, Missing, dotenv, environment, interpolated, required


def test_variables_are_replaced_as_compose_does() -> None:
    assert interpolated("x-${A}-${B:-[]}-$$C", {"A": "1"}) == "x-1-[]-$C"
    assert interpolated("${B:-d}", {"B": ""}) == "d"
    with pytest.raises(Missing, match="A a sentence"):
        interpolated("${A:?a sentence}", {"A": ""})
    with pytest.raises(LoneDollar):
        interpolated("$A", {"A": "1"})


def test_a_requirement_needs_a_sentence() -> None:
    assert required("${A:?why}${B:?}${C:-d}${D}") == {"A"}


def test_a_name_without_a_value_is_passed_when_it_is_set() -> None:
    service = {"environment": {"A": None, "B": None, "C": "c"}}
    assert environment(service, {"A": "1"}) == {"A": "1", "C": "c"}


def test_quotes_of_a_dotenv_file_are_taken_off() -> None:
    assert dotenv('# no\nA=\'{"1": "x="}\'\nB=\n') == {"A": '{"1": "x="}', "B": ""}
