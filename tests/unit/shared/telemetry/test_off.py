"""Where no collector is named, tracing is nothing but a text that is carried on."""

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import utc_now
from shared.events import Record
from shared.settings import TraceSettings
from shared.telemetry import UNTRACED, current_trace, is_recorded, open_tracing
from shared.telemetry.tracing import CARRIED
from tests.unit.shared.telemetry.test_recording import CAUSE, delivered

SERVICES = ("services.registry.app", "services.otp.app", "services.notifier.app", "services.console.app")
LOOK = """
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
heavy = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf", "requests")
found = [name for name in sys.modules if name.startswith(heavy)]
print(", ".join(found[:5]), end="")
"""


def test_no_service_imports_what_makes_and_exports_spans() -> None:
    """FastAPI imports the API, and redis-py the SDK's metrics wherever they are installed: neither is ours to stop."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(names=SERVICES)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_without_a_collector_nothing_is_made_and_nothing_is_counted() -> None:
    registry = CollectorRegistry()
    async with open_tracing(TraceSettings(), "otp", registry, utc_now) as tracing:
        assert tracing is UNTRACED
        assert not tracing.on
    assert list(registry.collect()) == []


def test_the_trace_is_carried_on_as_it_came() -> None:
    record = Record("otp.challenges", b"", b"", (("traceparent", CAUSE.encode()),))
    with UNTRACED.processing(delivered(), CAUSE) as step, UNTRACED.sending([record]) as traced:
        assert step is CARRIED
        assert not is_recorded()
        assert current_trace.get() == CAUSE
        assert traced == [record]


@pytest.mark.parametrize("value", ["", "http://collector:4318"])
def test_a_variable_that_compose_passes_empty_names_no_collector(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OTLP_ENDPOINT", value)
    assert bool(TraceSettings().otlp_endpoint) is bool(value)
