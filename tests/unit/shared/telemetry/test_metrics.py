"""What the registry of every process holds."""

import re
import tomllib
from pathlib import Path

from shared.telemetry import new_registry, render
from shared.telemetry.metrics import VERSION

ROOT = Path(__file__).parents[4]


def test_a_process_says_what_it_is_and_no_time_of_creation() -> None:
    registry = new_registry("otp")
    assert registry.get_sample_value("boothline_build_info", {"service": "otp", "version": VERSION}) == 1
    assert registry.get_sample_value("process_resident_memory_bytes")
    assert b"_created" not in render(registry)


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_alerts_and_dashboards_ask_for_what_is_described() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    described = {match[1]: match[2] for match in re.finditer(r"(?m)^\| `(\w+)` \| (\w+) \|", page)}
    known = set(described) | {
        f"{name}{part}"
        for name, kind in described.items()
        if kind == "histogram"
        for part in ("_bucket", "_count", "_sum")
    }
    asked: set[str] = set()
    for path in (*ROOT.glob("deploy/prometheus/rules/*.yml"), *ROOT.glob("deploy/grafana/dashboards/*.json")):
        asked |= set(re.findall(r"(?<![\w:])boothline_\w+", path.read_text(encoding="utf-8")))
    assert len(asked) > 20
    assert asked - known == set()
