"""From what one appointment costs to replicas, partitions and hardware, for one state and for ten.

    .venv/bin/python -m bench.scaling            prints the tables of docs/scaling.md

MEASURED and ASSUMED are the inputs, each with its source; everything else is arithmetic. A new measurement goes in
there, the printed tables into docs/scaling.md; a test compares the two.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from shared.events import EVENTS, encode
from shared.events.examples import examples

APPOINTMENTS = 780_180
"""Of one state: 65,015 booths with 12 seats each."""
OURS = ("registry", "otp", "notifier")
GIB = 1024**3


@dataclass(frozen=True)
class Measured:
    """Inputs from docs/measured.md."""

    cpu_ms: Mapping[str, float]
    """CPU milliseconds per appointment by process, idle time included."""
    rss_mb: Mapping[str, int]
    """Resident memory of one process under that load."""
    table_bytes: Mapping[str, int]
    """PostgreSQL, indexes included, per appointment."""
    valkey_bytes: int
    """Per open challenge."""
    hop_rate: int
    """Records a second that one consumer takes off a topic when handling costs nothing (reference: 39,000-89,000)."""


@dataclass(frozen=True)
class Assumed:
    """Inputs that an operator knows better."""

    sms_share: float
    """Of the appointees; the others have linked Telegram."""
    sms_parts: int
    """Of an invitation in Hindi."""
    sms_per_second: int
    """Parts, as contracted for one sender."""
    telegram_per_second: int
    """Messages of one bot (NOTIFIER_TELEGRAM_PER_SECOND)."""
    busy: float
    """Of a core that a process may use at the planned rate: the rest is for peaks, restarts and retries."""
    copies: int
    """Of every record in Kafka."""


# `python -m bench.cost --way import --receipts normal` of 2026-11-24, both cores shared with other work: asked by SMS
# with receipts, without the confirmation. Sizes: its databases after 2,300 appointments, by appointment, outboxes (7
# days) included. Kafka's CPU is an estimate: the run was on the embedded broker.
MEASURED = Measured(
    cpu_ms={"registry": 2.0, "otp": 2.05, "notifier": 3.86, "PostgreSQL": 2.27, "Valkey": 0.57, "Kafka": 3.6},
    rss_mb={"registry": 92, "otp": 96, "notifier": 254, "console": 91},
    table_bytes={"registry": 7_700, "notifier": 8_200},
    valkey_bytes=4_600,
    hop_rate=39_000,
)
ASSUMED = Assumed(sms_share=1.0, sms_parts=3, sms_per_second=100, telegram_per_second=28, busy=0.5, copies=3)

FLOW = {
    "appointment.recorded.v1": 1,
    "challenge.opened.v1": 1,
    "message.requested.v1": 2,
    "delivery.accepted.v1": 2,
    "delivery.delivered.v1": 2,
    "reply.received.v1": 1,
    "reply.judged.v1": 1,
    "challenge.verified.v1": 1,
}
"""Records of one appointment that is asked by SMS, asks for its code and confirms; announcements come on top."""
SEALED_MORE = 300
"""Bytes by which a record with real sealed fields is longer than our made-up examples."""


@dataclass(frozen=True)
class Plan:
    """What follows for so many states, each with a sender and a bot of its own."""

    states: int
    appointments: int
    rate: float
    """Appointments a second: the providers' limit."""
    hours: float
    """Until everybody has been asked."""
    replicas: Mapping[str, int]
    partitions: int
    cores: Mapping[str, float]
    records: float
    """A second, over all topics."""
    kafka_gib: float
    postgres_gib: Mapping[str, float]
    valkey_gib: float
    memory_gib: float


def plan(states: int, measured: Measured = MEASURED, assumed: Assumed = ASSUMED) -> Plan:
    """The arithmetic."""
    appointments = states * APPOINTMENTS
    rate = states * provider_rate(assumed)
    cores = {name: rate * ms / 1000 for name, ms in measured.cpu_ms.items()}
    partitions = 12 if states == 1 else 24
    replicas = {name: _even(max(2, ceil(cores[name] / assumed.busy)), partitions) for name in OURS} | {"console": 1}
    return Plan(
        states=states,
        appointments=appointments,
        rate=rate,
        hours=appointments / rate / 3600,
        replicas=replicas,
        partitions=partitions,
        cores=cores,
        records=rate * sum(FLOW.values()),
        kafka_gib=appointments * record_bytes() * assumed.copies / GIB,
        postgres_gib={name: appointments * size / GIB for name, size in measured.table_bytes.items()},
        valkey_gib=appointments * measured.valkey_bytes / GIB,
        memory_gib=sum(count * measured.rss_mb[name] for name, count in replicas.items()) / 1024,
    )


def _even(wanted: int, partitions: int) -> int:
    """The next number of replicas that shares the partitions evenly, at most one for two of them."""
    return next((count for count in range(wanted, partitions // 2) if partitions % count == 0), partitions // 2)


def provider_rate(assumed: Assumed) -> float:
    """Appointments a second that one sender and one bot together can ask."""
    sms = assumed.sms_per_second / assumed.sms_parts
    limits = []
    if assumed.sms_share:
        limits.append(sms / assumed.sms_share)
    if assumed.sms_share < 1:
        limits.append(assumed.telegram_per_second / (1 - assumed.sms_share))
    return min(limits)


def record_bytes() -> int:
    """Bytes that one appointment leaves in Kafka, one copy, before its topics forget (7 days, deliveries 30)."""
    return sum(times * _size(name) for name, times in FLOW.items())


def _size(name: str) -> int:
    record = encode(examples(EVENTS[name])[0])
    headers = sum(len(key) + len(value or b"") for key, value in record.headers)
    sealed = SEALED_MORE if "x-sealed" in str(EVENTS[name].model_json_schema()) else 0
    return len(record.key) + len(record.value) + headers + sealed


def tables(measured: Measured = MEASURED, assumed: Assumed = ASSUMED) -> Iterator[str]:
    """Markdown: inputs, then results."""
    yield from _inputs(measured, assumed)
    one, ten = plan(1, measured, assumed), plan(10, measured, assumed)
    yield ""
    yield "| follows | one state | ten states |"
    yield "|---|---|---|"
    for name, of in _results(measured):
        yield f"| {name} | {of(one)} | {of(ten)} |"


def _inputs(measured: Measured, assumed: Assumed) -> Iterator[str]:
    yield "| INPUT, measured | " + " | ".join(measured.cpu_ms) + " |"
    yield "|---" * (len(measured.cpu_ms) + 1) + "|"
    yield "| CPU ms per appointment | " + " | ".join(f"{ms:.2f}" for ms in measured.cpu_ms.values()) + " |"
    yield ""
    yield "| INPUT | value | |"
    yield "|---|---|---|"
    yield f"| memory of a process, MB | {_listed(measured.rss_mb)} | measured |"
    yield f"| PostgreSQL, bytes per appointment | {_listed(measured.table_bytes)} | measured |"
    yield f"| Valkey, bytes per open challenge | {measured.valkey_bytes:,} | measured |"
    yield f"| Kafka, records per appointment | {sum(FLOW.values())} | contract |"
    yield f"| Kafka, bytes per appointment, one copy | {record_bytes():,} | contract |"
    yield f"| appointees asked by SMS | {assumed.sms_share:.0%} | assumed |"
    yield f"| parts of an invitation in Hindi | {assumed.sms_parts} | text |"
    yield f"| SMS parts a second, one sender | {assumed.sms_per_second} | contract |"
    yield f"| Telegram messages a second, one bot | {assumed.telegram_per_second} | Telegram |"
    yield f"| share of a core that a process may use | {assumed.busy:.0%} | assumed |"
    yield f"| copies in Kafka | {assumed.copies} | decided |"


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value:,}" for name, value in values.items())


def _results(measured: Measured) -> Iterator[tuple[str, Callable[[Plan], str]]]:
    yield "appointments", lambda p: f"{p.appointments:,}"
    yield "senders and bots", lambda p: str(p.states)
    yield "appointments a second, set by the providers", lambda p: f"{p.rate:.0f}"
    yield "hours until everybody is asked", lambda p: f"{p.hours:.1f}"
    yield "records a second, all topics", lambda p: f"{p.records:,.0f}"
    yield "of what one consumer could take", lambda p: f"{p.records / measured.hop_rate:.0%}"
    yield "partitions of a topic", lambda p: str(p.partitions)
    yield "replicas of registry, otp, notifier", lambda p: ", ".join(str(p.replicas[name]) for name in OURS)
    yield "replicas of console", lambda p: str(p.replicas["console"])
    yield "cores in use, ours", lambda p: f"{sum(p.cores[name] for name in OURS):.1f}"
    yield "cores in use, servers", lambda p: f"{sum(cores for name, cores in p.cores.items() if name not in OURS):.1f}"
    yield "memory of ours, GiB", lambda p: f"{p.memory_gib:.1f}"
    yield (
        "PostgreSQL of registry, notifier, GiB",
        lambda p: ", ".join(f"{size:.0f}" for size in p.postgres_gib.values()),
    )
    yield "Valkey, GiB, everybody invited at once", lambda p: f"{p.valkey_gib:.1f}"
    yield "Kafka, GiB, all copies", lambda p: f"{p.kafka_gib:.0f}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables()) + "\n")
