"""What is measured of the steps of an appointment."""

from datetime import UTC, datetime, timedelta

from services.registry.metrics import StepMetrics
from shared.telemetry import new_registry, render

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_every_step_is_there_before_the_first_appointment() -> None:
    registry = new_registry()
    StepMetrics(registry)
    lines = render(registry).decode().splitlines()
    counts = [line for line in lines if line.startswith("boothline_step_seconds_count")]
    assert len(counts) == 7
    assert all(line.endswith(" 0.0") for line in counts)


def test_a_step_within_the_objective_counts_as_one_and_a_clock_that_is_ahead_as_nothing() -> None:
    registry = new_registry()
    steps = StepMetrics(registry)
    steps.took("recorded_to_sent", "code", NOW, NOW + timedelta(seconds=10))
    steps.took("recorded_to_sent", "code", NOW, NOW + timedelta(seconds=11))
    steps.took("recorded_to_sent", "code", NOW, NOW - timedelta(seconds=5))
    labels = {"step": "recorded_to_sent", "lane": "code"}
    assert registry.get_sample_value("boothline_step_seconds_bucket", labels | {"le": "10.0"}) == 2
    assert registry.get_sample_value("boothline_step_seconds_sum", labels) == 21
