"""After a full run every process exposes what docs/metrics.md says, in few lines, with labels of closed sets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.notifier.bot.metrics import CALLS, TROUBLES, UPDATES
from services.notifier.domain.delivery import NO_PROVIDER
from services.notifier.service.metrics import INBOUND, OUTCOMES, RECEIPTS
from shared.bus.metrics import OUTCOMES as HANDLED
from shared.bus.metrics import REASONS, UNKNOWN
from shared.events import EVENTS, TOPICS, Channel, Lane
from shared.events.catalogue import GROUPS
from shared.telemetry.metrics import VERSION
from tests.e2e.conftest import CODES, System
from tests.e2e.test_main_job import tap_first
from tests.e2e.world import Appointee, ConfirmPage, code_in, fetch, handle_in, until

pytestmark = pytest.mark.timeout(900)

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
SERVICES = ("registry", "otp", "notifier", "console", "sandbox")
MOST_LINES = 2_000
"""Rendering costs 8 us a line, on the event loop."""
ALLOWED: dict[str, set[str]] = {
    "service": set(SERVICES),
    "version": {VERSION},
    "group": {*GROUPS, UNKNOWN},
    "topic": {*(topic.name for topic in TOPICS), *(topic.dead.name for topic in TOPICS), UNKNOWN},
    "partition": {str(number) for topic in TOPICS for number in range(topic.partitions)},
    "event": {*EVENTS, UNKNOWN},
    "outcome": {*HANDLED, *OUTCOMES, *UPDATES, *CALLS, "exported", "failed", "dropped"},
    "reason": set(REASONS),
    "provider": {"twilio", "telegram", NO_PROVIDER},
    "channel": {*(channel.value for channel in Channel), NO_PROVIDER},
    "lane": {*(lane.value for lane in Lane), "code", "invite", "page"},
    "status": set(RECEIPTS),
    "kind": {*INBOUND, *TROUBLES},
    "step": {"recorded_to_sent", "recorded_to_receipt", "recorded_to_verified", "changed_to_portal"},
}


@dataclass(frozen=True)
class Row:
    """A row of the page."""

    name: str
    type: str
    labels: frozenset[str]
    services: frozenset[str]


def rows() -> Iterator[Row]:
    """Of the page's table."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \| .+ \|", line):
            name, kind, labels, of = match.groups()
            services = SERVICES if of == "all" else of.split(", ")
            yield Row(name, kind, frozenset(labels.split(", ")) - {"-"}, frozenset(services))


@pytest.fixture(scope="module")
def scrapes(system: System) -> dict[str, str]:
    """Of each process, after people have acted on every way and others have failed."""
    people = [Appointee(850_000 + number) for number in range(3)]
    for who in people:
        system.phones.add(who)
    web, sms, telegram = people
    booth = CODES[-3]
    made = [
        system.registry.record(booth, post, who)["id"]
        for post, who in zip(("president", "secretary", "bla2"), people, strict=True)
    ]
    invitations = {who: system.phones.sms(who, "/c/") for who in people}
    ConfirmPage.of(invitations[web]).confirm(code_in(invitations[web]))
    system.phones.do(sms, "reply", text=code_in(invitations[sms]))
    system.phones.do(telegram, "start", payload=handle_in(invitations[telegram]))
    asked = system.phones.message(telegram)
    system.phones.do(telegram, "contact", kind="own")
    tap_first(system, telegram, asked["seq"])
    for appointment in made:
        system.registry.until_state(appointment, "verified")
    console = system.endpoints.services["console"]
    until(lambda: "boothline_consumer_lag_messages{" in fetch(f"{console}/metrics").text, "lag is measured")
    return {name: fetch(f"{url}/metrics").text for name, url in system.endpoints.services.items()}


def families(scrape: str) -> Iterator[tuple[str, Metric]]:
    """With the names that queries use; our own ones."""
    for family in text_string_to_metric_families(scrape):
        if family.name.startswith("boothline_"):
            yield (f"{family.name}_total" if family.type == "counter" else family.name), family


def test_a_scrape_is_short(scrapes: dict[str, str]) -> None:
    assert set(scrapes) == set(SERVICES)
    assert {name: lines for name, text in scrapes.items() if (lines := len(text.splitlines())) > MOST_LINES} == {}


def test_every_metric_is_described_as_it_is(scrapes: dict[str, str]) -> None:
    known = {row.name: row for row in rows()}
    assert len(known) > 40
    seen: dict[str, set[str]] = {}
    for service, text in scrapes.items():
        for name, family in families(text):
            seen.setdefault(name, set()).add(service)
            row = known.get(name)
            assert row, f"{name} is not described"
            assert row.type == family.type, name
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == row.labels, name
    assert {name for name in known if name not in seen} == set(), "described, and exposed by nobody"
    strangers = {name: services - known[name].services for name, services in seen.items()}
    assert {name: services for name, services in strangers.items() if services} == {}


def test_labels_are_of_closed_sets(scrapes: dict[str, str]) -> None:
    for text in scrapes.values():
        for name, family in families(text):
            for sample in family.samples:
                for label, value in sample.labels.items():
                    assert label == "le" or value in ALLOWED[label], f"{name} {label}={value}"


@pytest.mark.parametrize(
    ("name", "labels", "least"),
    [
        ("boothline_step_seconds_count", {"step": "recorded_to_sent", "lane": "code"}, 3),
        ("boothline_step_seconds_count", {"step": "recorded_to_verified", "lane": "code"}, 3),
        ("boothline_sends_total", {"provider": "twilio", "lane": "urgent", "outcome": "accepted"}, 3),
        ("boothline_receipts_total", {"provider": "twilio", "status": "delivered"}, 1),
        ("boothline_inbound_total", {"kind": "code"}, 1),
        ("boothline_telegram_updates_total", {"outcome": "handled"}, 2),
        ("boothline_outbox_published_total", {}, 10),
        ("boothline_spans_total", {"outcome": "exported"}, 10),
    ],
)
def test_what_happened_was_counted(
    system: System, scrapes: dict[str, str], name: str, labels: dict[str, str], least: int
) -> None:
    assert scrapes, "it has happened"

    def counted() -> float:
        return sum(
            sample.value
            for url in system.endpoints.services.values()
            for _, family in families(fetch(f"{url}/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    until(lambda: counted() >= least, f"{name} {labels} counts {least}")
