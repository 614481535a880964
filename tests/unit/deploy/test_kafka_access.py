"""The script that gives Kafka its users does what the contract says."""

import re

from shared.events.rights import PRINCIPALS, as_commands, rights
from stack.secrets_file import KAFKA_USERS
from tests.unit.deploy.conftest import ROOT

FOLDER = ROOT / "deploy" / "kafka"


def test_the_rights_are_those_of_the_contract() -> None:
    """Made anew by `boothline topics acls > deploy/kafka/acls.sh`."""
    assert (FOLDER / "acls.sh").read_text(encoding="utf-8").splitlines() == [*as_commands(rights())]


def test_every_principal_of_the_contract_is_a_user_and_operators_are_one_more() -> None:
    assert set(KAFKA_USERS) == {*PRINCIPALS, "operator"}


def test_operators_look_and_change_nothing() -> None:
    script = (FOLDER / "access.sh").read_text(encoding="utf-8")
    granted = set(re.findall(r"--operation (\w+)", script))
    assert granted == {"Read", "Describe", "DescribeConfigs"}
    assert "Read --operation DescribeConfigs --topic" in script  # no Read on a group: it could commit for others


def test_no_password_stands_on_a_command_line() -> None:
    for line in (FOLDER / "access.sh").read_text(encoding="utf-8").splitlines():
        assert "kafka-" not in line or "variable}" not in line
