"""The reader takes only what every YAML parser reads alike."""

import pytest

from tests.unit.deploy.compose_file import Missing, NotInOurYaml, dotenv, environment, interpolated, read, required


def test_mappings_sequences_anchors_and_json_are_read() -> None:
    text = 'x-a: &a\n  k: 1\n  l: ["x"]\ns:\n  t:\n    <<: *a\n    k: "no"\n    e:\n    m:\n      - one\n      - "2"\n'
    assert read(text)["s"] == {"t": {"k": "no", "l": ["x"], "e": None, "m": ["one", "2"]}}


@pytest.mark.parametrize(
    "line",
    [
        "a: yes",
        "a: 1.5",
        "a: 0o17",
        "a: 'single'",
        "a: |",
        "a: b: c",
        "a: b # comment",
        "a: [x]",
        "a: *unknown",
        "a: &empty",
        "a: 1\na: 2",
        "a:\n  b: 1\n    c: 2",
        "- a",
        "a:\n  - b\n  c: 1",
        "a:b",
    ],
)
def test_the_rest_is_refused(line: str) -> None:
    with pytest.raises(NotInOurYaml):
        read(line)


def test_variables_are_replaced_as_compose_does() -> None:
    assert interpolated("x-${A}-${B:-[]}-$$C", {"A": "1"}) == "x-1-[]-$C"
    assert interpolated("${B:-d}", {"B": ""}) == "d"
    with pytest.raises(Missing, match="A a sentence"):
        interpolated("${A:?a sentence}", {"A": ""})
    with pytest.raises(NotInOurYaml):
        interpolated("$A", {"A": "1"})


def test_a_requirement_needs_a_sentence() -> None:
    assert required("${A:?why}${B:?}${C:-d}${D}") == {"A"}


def test_a_name_without_a_value_is_passed_when_it_is_set() -> None:
    service = {"environment": {"A": None, "B": None, "C": "c"}}
    assert environment(service, {"A": "1"}) == {"A": "1", "C": "c"}


def test_quotes_of_a_dotenv_file_are_taken_off() -> None:
    assert dotenv('# no\nA=\'{"1": "x="}\'\nB=\n') == {"A": '{"1": "x="}', "B": ""}
