"""Alert rules, told minute by minute what happened, and mutants of them that must be noticed."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.monitoring.scenarios import SCENARIOS, Scenario

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy" / "prometheus" / "rules" / "boothline.yml"
TEXT = RULES.read_text(encoding="utf-8")
ALERTS = [rule for group in yaml.safe_load(TEXT)["groups"] for rule in group["rules"] if "alert" in rule]
EVERY = {"CodesLate": "5m", "CodesLateSlowly": "15m"}
"""How often rules are evaluated in tests that are hours and days long."""
NAMES = [str(alert["alert"]) for alert in ALERTS]


def told(promtool: str, folder: Path, rules: str, alert: str) -> subprocess.CompletedProcess[str]:
    """promtool's verdict on one alert: the recording rules and this alert alone, or three days take minutes."""
    objective, sections = rules.partition("  - name: boothline-pages\n")[0], by_alert(rules)
    (folder / "rules.yml").write_text(f"{objective}  - name: alert\n    rules:\n{sections[alert]}", encoding="utf-8")
    scenarios = of(alert)
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": EVERY.get(alert, "1m"),
        "group_eval_order": ["boothline-objective", "alert"],
        "tests": [scenario.document() for scenario in scenarios],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [promtool, "test", "rules", str(folder / "test.yml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)


def by_alert(rules: str) -> dict[str, str]:
    """The text of each alert."""
    parts = re.split(r"(?m)^(?=      - alert: |  - name: )", rules)
    return {match[1]: part for part in parts if (match := re.match(r"      - alert: (\w+)", part))}


def of(alert: str) -> list[Scenario]:
    return [scenario for scenario in SCENARIOS if scenario.alert == alert]


def test_prometheus_takes_the_rules(promtool: str) -> None:
    checked = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("alert", NAMES)
def test_an_alert_is_on_when_it_must_and_only_then(promtool: str, tmp_path: Path, alert: str) -> None:
    verdict = told(promtool, tmp_path, TEXT, alert)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("alert", [name for name in NAMES if name != "Watchdog"])
def test_every_alert_has_a_case_for_and_a_case_against(alert: str) -> None:
    assert {scenario.on for scenario in of(alert)} == {True, False}


MUTANTS = (
    ("CodesLate", "boothline:codes_late:ratio_rate1h > 14.4 * 0.01", "vector(0) > 1"),
    ("CodesLate", "boothline:codes_late:ratio_rate6h > 6 * 0.01", "vector(0) > 1"),
    ("CodesLate", " and boothline:codes_late:ratio_rate5m > 14.4 * 0.01", ""),
    ("CodesLate", " and boothline:codes_late:ratio_rate30m > 6 * 0.01", ""),
    ("CodesLate", "boothline:codes:increase1h >= 20", "boothline:codes:increase1h >= 0"),
    ("CodesLate", "14.4 * 0.01", "0.5 * 0.01"),
    ("CodesLate", "6 * 0.01", "4 * 0.01"),
    ("CodesLate", "6 * 0.01", "9 * 0.01"),
    ("CodesLateSlowly", "boothline:codes_late:ratio_rate3d > 0.01", "boothline:codes_late:ratio_rate3d > 0.03"),
    ("CodesLateSlowly", " and boothline:codes_late:ratio_rate6h > 0.01", ""),
    ("CodesLateSlowly", "ratio_rate3d > 0.01", "ratio_rate3d > 0.001"),
    ("GroupStalled", "unless on (group) (max by (group) (boothline_consumer_paused) == 1)", ""),
    ("GroupStalled", "(boothline_consumer_lag_messages) > 0", "(boothline_consumer_lag_messages) >= 0"),
    ("GroupStalled", "[5m])) == 0", "[5m])) >= 0"),
    ("GroupStalled", "for: 2m", "for: 20m"),
    ("GroupStalled", "for: 2m", "for: 0m"),
    ("GroupLagging", "boothline_consumer_lag_seconds) >", "boothline_consumer_lag_seconds) >="),
    ("GroupLagging", "keep_firing_for: 5m", ""),
    ("GroupLagging", "keep_firing_for: 5m", "keep_firing_for: 50m"),
    ("RecordsExpiring", "> 0.5", "> 0.49"),
    ("RecordsExpiring", "> 0.5", "> 0.51"),
    ("RecordsLost", "boothline_consumer_lost_records) > 0", "boothline_consumer_lost_records) > 1"),
    ("RecordsLost", "boothline_consumer_lost_records) > 0", "boothline_consumer_lost_records) >= 0"),
    ("GroupHeld", "for: 30m", "for: 10m"),
    ("GroupHeld", "for: 30m", "for: 35m"),
    ("Rebalancing", "> 6", "> 1"),
    ("Rebalancing", "> 6", "> 60"),
    ("HandlerStuck", "oldest_in_flight_seconds) > 60", "oldest_in_flight_seconds) > 50"),
    ("HandlerStuck", "oldest_in_flight_seconds) > 60", "oldest_in_flight_seconds) > 600"),
    ("HandlersEnded", "handlers_stuck_total[10m])) > 0", "handlers_stuck_total[10m])) > 9"),
    ("HandlersEnded", "handlers_stuck_total[10m])) > 0", "handlers_stuck_total[10m])) >= 0"),
    ("HandlersEnded", "loop_stalls_total[10m])) > 0", "loop_stalls_total[10m])) > 9"),
    ("HandlersEnded", "loop_stalls_total[10m])) > 0", "loop_stalls_total[10m])) >= 0"),
    ("DeadLetters", "[10m])) > 0\n", "[10m])) >= 0\n"),
    ("DeadLetters", "[10m])) > 0\n", "[10m])) > 5\n"),
    ("DeadLettersMany", "> 50", "> 5"),
    ("DeadLettersMany", "> 50", "> 500"),
    ("DeadLettersMany", "> 0.01 *", "> 0.0001 *"),
    ("DeadLettersExpiring", "> 0.9", "> 0.8"),
    ("DeadLettersExpiring", "> 0.9", "> 1.0"),
    ("DeadLettersExpiring", r'=~".+\\.dead"', r'=~".+\\.died"'),
    ("OutboxStuck", "boothline_outbox_oldest_seconds) > 60", "boothline_outbox_oldest_seconds) > 20"),
    ("OutboxStuck", "boothline_outbox_oldest_seconds) > 60", "boothline_outbox_oldest_seconds) > 100"),
    ("ServiceGone", "sum by (job) (up) == 0", "min by (job) (up) == 0"),
    ("ServiceGone", "sum by (job) (up) == 0", "sum by (job) (up) == 2"),
    ("LagUnknown", " or absent(boothline_lag_probe_timestamp_seconds)", ""),
    ("LagUnknown", "> 120", "> 1200"),
    ("LagUnknown", "> 120", "> -1"),
    ("ProviderFailing", "[5m])) > 0.2", "[5m])) > 0.05"),
    ("ProviderFailing", "[5m])) > 0.2", "[5m])) > 0.5"),
    ("ProviderFailing", ">= 20", ">= 2"),
    ("ReceiptsSilent", "unless on (provider) sum by (provider) (increase(boothline_receipts_total[30m])) > 0", ""),
    ("ReceiptsSilent", "[30m])) > 20", "[30m])) > 2"),
    ("ReceiptsSilent", "[30m])) > 20", "[30m])) > 2000"),
    ("Watchdog", "expr: vector(1)", "expr: vector(1) > 1"),
)


@pytest.mark.parametrize(("alert", "was", "becomes"), MUTANTS)
def test_a_mutant_of_an_alert_is_noticed(promtool: str, tmp_path: Path, alert: str, was: str, becomes: str) -> None:
    section = by_alert(TEXT)[alert]
    flat = section if was in section else re.sub(r"\n {10,}", " ", section)
    assert was in flat, "the mutation no longer fits the rule"
    verdict = told(promtool, tmp_path, TEXT.replace(section, flat.replace(was, becomes)), alert)
    assert verdict.returncode != 0
    assert "FAILED" in verdict.stdout + verdict.stderr
