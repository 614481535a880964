"""What happened, minute by minute, and which alerts must be on afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """Series in promtool's notation (a sample every `step` minutes), and whether the alert is on at minute `at`."""

    name: str
    alert: str
    series: Mapping[str, str]
    at: int
    on: bool
    step: int = 1

    def document(self) -> dict[str, object]:
        """A test of `promtool test rules`."""
        labels = f'ALERTS{{alertname="{self.alert}",alertstate="firing"}}'
        expected = {
            "expr": f"count({labels}) or vector(0)",
            "eval_time": f"{self.at}m",
            "exp_samples": [{"labels": "{}", "value": int(self.on)}],
        }
        return {
            "name": self.name,
            "interval": f"{self.step}m",
            "input_series": [{"series": name, "values": values} for name, values in self.series.items()],
            "promql_expr_test": [expected],
        }


def codes(all_of_them: str, in_time: str) -> dict[str, str]:
    """Codes recorded in all, and those at the provider within ten seconds."""
    labels = 'step="recorded_to_sent",lane="code"'
    return {
        f"boothline_step_seconds_count{{{labels}}}": all_of_them,
        f'boothline_step_seconds_bucket{{{labels},le="10.0"}}': in_time,
    }


def lag(messages: str, committed: str, seconds: str = "0x30", paused: str = "0x30") -> dict[str, str]:
    """One partition of one group."""
    place = 'group="otp",topic="registry.appointments",partition="3"'
    return {
        f"boothline_consumer_lag_messages{{{place}}}": messages,
        f"boothline_consumer_committed_offset{{{place}}}": committed,
        f"boothline_consumer_lag_seconds{{{place}}}": seconds,
        'boothline_consumer_paused{group="otp",job="otp"}': paused,
        'boothline_lag_limit_seconds{group="otp",topic="registry.appointments"}': "10x60",
        'boothline_topic_retention_seconds{topic="registry.appointments"}': "604800x60",
        'boothline_topic_retention_seconds{topic="registry.appointments.dead"}': "2592000x60",
    }


def dead(counted: str, handled: str) -> dict[str, str]:
    """Dead letters of one reason, and records in all."""
    return {
        'boothline_dead_letters_total{group="otp",topic="registry.appointments",reason="seal"}': counted,
        'boothline_records_total{group="otp",topic="registry.appointments",event="e",outcome="ok"}': handled,
    }


def sends(accepted: str, failed: str, receipts: str) -> dict[str, str]:
    """What a provider did."""
    who = 'provider="twilio",channel="sms",lane="urgent"'
    return {
        f'boothline_sends_total{{{who},outcome="accepted"}}': accepted,
        f'boothline_sends_total{{{who},outcome="failed"}}': failed,
        'boothline_receipts_total{provider="twilio",status="delivered"}': receipts,
    }


def kept(days: int) -> dict[str, str]:
    """The oldest dead letter is this old."""
    labels = 'group="otp",topic="registry.appointments",reason="seal"'
    oldest = {f"boothline_dead_letters_oldest_timestamp_seconds{{{labels}}}": f"{-days * 86400}x60"}
    return lag("0x60", "1x60") | oldest


def up(one: str, other: str) -> dict[str, str]:
    """Two instances of a service."""
    return {'up{job="otp",instance="a"}': one, 'up{job="otp",instance="b"}': other}


DAY = 24 * 60
LOST = 'boothline_consumer_lost_records{group="g",topic="t"}'
HELD = 'boothline_consumer_paused{group="otp"}'
DEALT = 'boothline_consumer_rebalances_total{group="otp"}'
IN_HAND = 'boothline_consumer_oldest_in_flight_seconds{group="otp",job="otp"}'
ENDED = 'boothline_consumer_handlers_stuck_total{group="otp",topic="t"}'
STALLED = 'boothline_consumer_loop_stalls_total{group="otp"}'
OUTBOX = 'boothline_outbox_oldest_seconds{job="otp"}'
PROBED = "boothline_lag_probe_timestamp_seconds"

SCENARIOS = (
    # 14.4 over 1 h and 5 min: fifteen minutes of outage after six good hours (only 4 % of six hours are late)
    Scenario("short outage", "CodesLate", codes("0+10x375", "0+10x360 3600+0x14"), 375, on=True),
    Scenario("outage is over", "CodesLate", codes("0+10x385", "0+10x360 3600+0x14 3610+10x9"), 385, on=False),
    Scenario("five bad minutes", "CodesLate", codes("0+10x365", "0+10x360 3600+0x4"), 365, on=False),
    # 6 over 6 h and 30 min: 8 of 100 late all the time
    Scenario("slow burn", "CodesLate", codes("0+100x370", "0+92x370"), 370, on=True),
    Scenario("slow burn is over", "CodesLate", codes("0+100x410", "0+92x370 34140+100x39"), 410, on=False),
    Scenario("five of a hundred", "CodesLate", codes("0+100x370", "0+95x370"), 370, on=False),
    Scenario("a quiet night", "CodesLate", codes("0x200 0+0.2x80", "0x290"), 280, on=False),
    # tickets: 3 over 1 day and 2 h, 1 over 3 days and 6 h; a sample every quarter of an hour
    Scenario("four of a hundred for a day", "CodesLateSlowly", codes("0+100x96", "0+96x96"), DAY, on=True, step=15),
    Scenario(
        "two of a hundred for a day",
        "CodesLateSlowly",
        codes("0x192 0+100x96", "0x192 0+98x96"),
        3 * DAY,
        on=True,
        step=15,
    ),
    Scenario(
        "four of a hundred, over for seven hours",
        "CodesLateSlowly",
        codes("0+100x288", "0+96x260 25060+100x27"),
        3 * DAY,
        on=False,
        step=15,
    ),
    Scenario(
        "one bad evening", "CodesLateSlowly", codes("0+100x288", "0+100x262 26297+97x25"), 3 * DAY, on=False, step=15
    ),
    # groups
    Scenario("stands still with work", "GroupStalled", lag("5x30", "100x30"), 12, on=True),
    Scenario("stands still without work", "GroupStalled", lag("0x30", "100x30"), 12, on=False),
    Scenario("moves slowly", "GroupStalled", lag("5x30", "100+1x30"), 12, on=False),
    Scenario("is held on purpose", "GroupStalled", lag("5x30", "100x30", paused="1x30"), 12, on=False),
    Scenario("stalled for a moment", "GroupStalled", lag("5x30", "100+1x10 110+0x5"), 16, on=False),
    Scenario("over the limit", "GroupLagging", lag("5x30", "1+1x30", "11x30"), 3, on=True),
    Scenario("at the limit", "GroupLagging", lag("5x30", "1+1x30", "10x30"), 10, on=False),
    Scenario("over it a moment ago", "GroupLagging", lag("5x30", "1+1x30", "11x5 0x20"), 9, on=True),
    Scenario("over it long ago", "GroupLagging", lag("5x30", "1+1x30", "11x5 0x20"), 14, on=False),
    Scenario("half of retention", "RecordsExpiring", lag("5x30", "1+1x30", "302500x30"), 8, on=True),
    Scenario("less than half", "RecordsExpiring", lag("5x30", "1+1x30", "302300x30"), 8, on=False),
    Scenario("a record is lost", "RecordsLost", {LOST: "0 1"}, 1, on=True),
    Scenario("none is lost", "RecordsLost", {LOST: "0 0"}, 1, on=False),
    Scenario("held for long", "GroupHeld", {HELD: "1x40"}, 31, on=True),
    Scenario("held for a while", "GroupHeld", {HELD: "1x20 0x20"}, 15, on=False),
    Scenario("seven deals", "Rebalancing", {DEALT: "0+1x30"}, 20, on=True),
    Scenario("two deals", "Rebalancing", {DEALT: "0x12 2x20"}, 20, on=False),
    Scenario(
        "a handler does not come back",
        "HandlerStuck",
        {IN_HAND: "0+60x10"},
        4,
        on=True,
    ),
    Scenario(
        "a slow handler",
        "HandlerStuck",
        {IN_HAND: "59x10"},
        4,
        on=False,
    ),
    Scenario("a handler was ended", "HandlersEnded", {ENDED: "0 0 1x10"}, 4, on=True),
    Scenario("the loop stood still", "HandlersEnded", {STALLED: "0 0 1x10"}, 4, on=True),
    Scenario("ended long ago", "HandlersEnded", {ENDED: "0 1x30", STALLED: "0 1x30"}, 20, on=False),
    # dead letters
    Scenario("one dead letter", "DeadLetters", dead("0 0 1x10", "0+100x20"), 4, on=True),
    Scenario("none", "DeadLetters", dead("5x20", "0+100x20"), 12, on=False),
    Scenario("many", "DeadLettersMany", dead("0+10x20", "0+100x20"), 12, on=True),
    Scenario("many of very many", "DeadLettersMany", dead("0+10x20", "0+2000x20"), 12, on=False),
    Scenario("few", "DeadLettersMany", dead("0+4x20", "0+100x20"), 12, on=False),
    Scenario(
        "kept for 28 days",
        "DeadLettersExpiring",
        kept(28),
        5,
        on=True,
    ),
    Scenario(
        "kept for 26 days",
        "DeadLettersExpiring",
        kept(26),
        5,
        on=False,
    ),
    # processes
    Scenario("nobody hears", "OutboxStuck", {OUTBOX: "61x10"}, 3, on=True),
    Scenario("a burst", "OutboxStuck", {OUTBOX: "30x10"}, 3, on=False),
    Scenario("all gone", "ServiceGone", up("1 0x9", "0x10"), 3, on=True),
    Scenario("one of two gone", "ServiceGone", up("1x10", "0x10"), 3, on=False),
    Scenario("lag is measured", "LagUnknown", {PROBED: "0+60x30"}, 20, on=False),
    Scenario("lag was measured", "LagUnknown", {PROBED: "0+60x10 600+0x20"}, 20, on=True),
    Scenario("lag was never measured", "LagUnknown", {"up": "1x20"}, 5, on=True),
    # providers
    Scenario("one of three fails", "ProviderFailing", sends("0+20x20", "0+10x20", "0+20x20"), 10, on=True),
    Scenario("one of ten fails", "ProviderFailing", sends("0+20x20", "0+2x20", "0+20x20"), 10, on=False),
    Scenario("all of three fail", "ProviderFailing", sends("0x20", "0x9 3x10", "0x20"), 10, on=False),
    Scenario("no receipts", "ReceiptsSilent", sends("0+5x60", "0x60", "7x60"), 50, on=True),
    Scenario("receipts", "ReceiptsSilent", sends("0+5x60", "0x60", "0+1x60"), 50, on=False),
    Scenario("a handful without receipts", "ReceiptsSilent", sends("0x40 5x20", "0x60", "0x60"), 58, on=False),
    Scenario("always", "Watchdog", {"up": "1x5"}, 1, on=True),
)
