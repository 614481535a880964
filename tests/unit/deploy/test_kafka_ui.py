"""kafka-ui changes nothing and shows nothing that could be somebody's."""

import re
from typing import Any

import pytest
import yaml

from shared.events import EVENTS, TOPICS
from tests.unit.deploy.conftest import ROOT

PERSONAL = {"phone_last3", "fingerprints", "chat_id", "name", "code"}
"""Part of a phone, its hash, a chat, a name, and a word that elsewhere means the one-time code."""


@pytest.fixture
def cluster() -> dict[str, Any]:
    config = yaml.safe_load((ROOT / "deploy" / "kafka-ui" / "config.yml").read_text(encoding="utf-8"))
    (found,) = config["kafka"]["clusters"]
    return dict(found)


def fields(schema: object) -> dict[str, list[dict[str, Any]]]:
    """Every property below a JSON Schema by name."""
    found: dict[str, list[dict[str, Any]]] = {}
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, list):
            stack.extend(part)
        elif isinstance(part, dict):
            for name, property_ in part.get("properties", {}).items():
                found.setdefault(name, []).append(property_)
            stack.extend(part.values())
    return found


def shown(cluster: dict[str, Any]) -> set[str]:
    """The fields of the contract that its masking leaves as they are."""
    (mask,) = cluster["masking"]
    hidden = re.compile(mask["fieldsNamePattern"])
    return {
        name for event in EVENTS.values() for name in fields(event.model_json_schema()) if not hidden.fullmatch(name)
    }


def test_it_reads_only(cluster: dict[str, Any]) -> None:
    assert cluster["readOnly"] is True


def test_it_masks_the_values_of_every_topic(cluster: dict[str, Any]) -> None:
    (mask,) = cluster["masking"]
    assert mask["type"] == "REPLACE"
    for topic in TOPICS:
        assert re.fullmatch(mask["topicValuesPattern"], topic.name)
        assert re.fullmatch(mask["topicValuesPattern"], topic.dead.name)


def test_a_sealed_or_personal_field_is_never_shown(cluster: dict[str, Any]) -> None:
    sealed = {
        name
        for event in EVENTS.values()
        for name, properties in fields(event.model_json_schema()).items()
        if "x-sealed" in str(properties)
    }
    assert {"contact", "secrets", "evidence", "for_otp", "for_notifier"} <= sealed
    assert shown(cluster) & (sealed | PERSONAL) == set()


def test_a_field_that_the_contract_does_not_know_is_hidden(cluster: dict[str, Any]) -> None:
    hidden = re.compile(cluster["masking"][0]["fieldsNamePattern"])
    assert hidden.fullmatch("added_tomorrow")
    assert hidden.fullmatch("phone")


def test_every_field_that_it_shows_is_one_of_the_contract(cluster: dict[str, Any]) -> None:
    named = set(re.findall(r"[a-z_?]+", cluster["masking"][0]["fieldsNamePattern"].split("(?:")[1].split(")")[0]))
    plain = {name.replace("s?", "") for name in named} | {name.replace("?", "") for name in named}
    assert plain == shown(cluster)
