"""The metrics of a process."""

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

METRICS_TYPE = CONTENT_TYPE_LATEST
VERSION = "0.1.0"
"""Of Boothline: the one in pyproject.toml, by test."""


def new_registry(service: str | None = None) -> CollectorRegistry:
    """A registry for one process, with its CPU and memory, and with what it is when `service` is said; `_created`
    series are left out, they double the counters' lines."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it unannotated
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    if service is not None:
        built = Gauge("boothline_build_info", "1: what runs here", ["service", "version"], registry=registry)
        built.labels(service, VERSION).set(1)
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """The metrics in Prometheus' text format."""
    return generate_latest(registry)
