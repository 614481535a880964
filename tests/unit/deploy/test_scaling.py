"""What stands in docs/scaling.md is what the inputs lead to."""

from dataclasses import replace

import pytest

from bench.scaling import ASSUMED, FLOW, MEASURED, OURS, plan, tables
from shared.events import EVENTS
from shared.events.catalogue import TOPICS
from tests.unit.deploy.conftest import ROOT
from tests.unit.deploy.kubernetes import base, kustomization

DOCS = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def test_the_page_holds_the_tables_of_the_inputs() -> None:
    printed = DOCS.split("<!-- printed by bench.scaling -->\n")[1].split("<!-- end -->")[0]
    assert printed.splitlines() == [*tables()]


def test_every_record_of_the_flow_is_in_the_contract() -> None:
    assert set(FLOW) <= set(EVENTS)


def test_the_providers_set_the_pace_whatever_a_core_can_do() -> None:
    slower = replace(MEASURED, cpu_ms={name: 2 * ms for name, ms in MEASURED.cpu_ms.items()})
    assert plan(1, slower).hours == plan(1).hours == pytest.approx(780_180 * 3 / 100 / 3600)
    assert plan(10).hours == pytest.approx(plan(1).hours)


def test_telegram_takes_a_share_off_the_sms() -> None:
    half = replace(ASSUMED, sms_share=0.5)
    assert plan(1, assumed=half).rate == pytest.approx(28 / 0.5)


@pytest.mark.parametrize("factor", [1, 20, 1000])
def test_replicas_share_the_partitions_evenly_and_are_at_most_half_of_them(factor: int) -> None:
    dear = replace(MEASURED, cpu_ms={name: factor * ms for name, ms in MEASURED.cpu_ms.items()})
    for states in (1, 10):
        made = plan(states, dear)
        for name in OURS:
            assert made.partitions % made.replicas[name] == 0
            assert 2 <= made.replicas[name] <= made.partitions / 2


def test_the_example_of_one_state_has_the_replicas_and_partitions_that_follow() -> None:
    made = plan(1)
    assert {topic.partitions for topic in TOPICS} == {made.partitions}
    fixed = {entry["name"]: entry["count"] for entry in kustomization("overlays/one-state")["replicas"]}
    for name, wanted in made.replicas.items():
        assert fixed.get(name, base("Deployment")[name]["spec"]["replicas"]) == wanted
