"""What the registry of every process holds."""

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
