"""The outbox: nothing is lost, nothing is stuck, and nothing secret lies in Valkey."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from services.otp.domain.policy import Policy
from services.otp.relay import Composer, Relay, RelayMetrics
from services.otp.store import Outbox, Scripts, ValkeyChallenges, open_valkey
from services.otp.store import outbox as outbox_module
from shared import ids
from shared.bus import BusUnavailable, Unpublishable
from shared.events import ChallengeOpened, Event, MessageRequested, Record, Result, decode
from shared.lifecycle import Tasks
from shared.telemetry import continue_trace, current_trace
from shared.valkey import ValkeyUnavailable
from tests.integration.otp.world import World, wrong_code


async def test_while_the_broker_is_away_entries_wait_and_then_go_out_in_order(world: World) -> None:
    await world.otp.open(world.recorded(), world.now)
    world.topics.failing = BusUnavailable()
    await world.outbox.prepare(world.now)
    with pytest.raises(BusUnavailable):
        await world.relay.publish(await world.outbox.take(10))
    world.topics.failing = None
    assert [type(event) for event in await world.published()] == [ChallengeOpened, MessageRequested]
    assert await world.valkey.xlen("otp:outbox") == 0


async def test_a_running_relay_outlives_an_absent_broker(world: World) -> None:
    world.topics.failing = BusUnavailable()
    async with Tasks() as tasks:
        tasks.spawn(world.relay.run(), "relay")
        await world.otp.open(world.recorded(), world.now)
        await until(lambda: _pending(world.valkey))
        await until(lambda: _told(world, "waiting", 2))
        world.topics.failing = None
        await until(lambda: _is_published(world, 2))
        await until(lambda: _is_empty(world.valkey))


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    """Wait for the condition, with a bound."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 # other processes and Valkey itself set no event here
            await asyncio.sleep(0.01)


async def _told(world: World, name: str, value: float) -> bool:
    return world.metrics.get_sample_value(f"boothline_outbox_{name}") == value


async def _pending(valkey: Redis) -> int:
    if not await valkey.exists("otp:outbox"):
        return 0
    return int((await valkey.xpending("otp:outbox", "relay"))["pending"])


async def _is_published(world: World, count: int) -> bool:
    return len(world.topics.records) >= count


async def _on_disk(valkey: Redis) -> str:
    """The append-only file and snapshots, where Valkey is on this machine (otp.md rule 10)."""
    return _texts(Path(str((await valkey.config_get("dir"))["dir"])))


def _texts(folder: Path) -> str:
    texts = []
    for path in folder.rglob("*.[ar][od][fb]"):
        with suppress(FileNotFoundError):  # Valkey has written its file anew
            texts.append(path.read_text(errors="replace"))
    return "".join(texts)


async def _is_empty(valkey: Redis) -> bool:
    return await valkey.xlen("otp:outbox") == 0


async def test_entries_of_a_dead_relay_are_taken_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.otp.open(world.recorded(), world.now)
    await world.outbox.prepare(world.now)
    dead = Outbox(world.valkey, world.scripts, "dead")
    assert len(await dead.take(10)) == 2
    monkeypatch.setattr(outbox_module, "DEAD_AFTER_MS", 3_600_000)
    assert await world.outbox.take_over(10) == []
    monkeypatch.setattr(outbox_module, "DEAD_AFTER_MS", 0)
    assert await world.relay.publish(await world.outbox.take_over(10)) == 2
    assert len(world.topics.records) == 2


async def test_two_relays_publish_everything_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "DEAD_AFTER_MS", 3_600_000)  # neither dies
    other = Outbox(world.valkey, world.scripts, "other")
    composer = Composer(world.codes, world.seal["otp"], "https://c.example.org")
    second = Relay(other, composer, world.topics, RelayMetrics(CollectorRegistry()), world.clock)
    for number in range(30):
        await world.otp.open(world.recorded(phone=f"+9155500{number:05}"), world.now)
    async with Tasks() as tasks:
        tasks.spawn(world.relay.run(), "one")
        tasks.spawn(second.run(), "two")
        await until(lambda: _is_published(world, 60))
    events = [dict(record.headers)["ce_id"] for record in world.topics.records]
    assert len(set(events)) == len(events) == 60


async def test_an_entry_that_cannot_be_built_is_set_aside_and_holds_nothing_up(world: World) -> None:
    await world.valkey.xadd("otp:outbox", {"type": "nonsense.v1", "body": "{}", "asking": "", "trace": ""})
    await world.otp.open(world.recorded(), world.now)
    assert len(await world.published()) == 2
    parked = await world.valkey.xrange("otp:outbox.parked")
    assert "KeyError" in str(parked)
    assert await world.valkey.xlen("otp:outbox") == 0


async def test_a_record_that_the_broker_refuses_is_set_aside_alone(world: World) -> None:
    class Picky:
        sent: list[Record] = []  # noqa: RUF012 # of this test alone

        async def publish(self, records: list[Record]) -> None:
            if any(record.topic == "notifier.urgent" for record in records):
                raise Unpublishable(problem="too large")
            self.sent.extend(records)

    await world.otp.open(world.recorded(), world.now)
    picky = Picky()
    composer = Composer(world.codes, world.seal["otp"], "https://c.example.org")
    relay = Relay(world.outbox, composer, picky, RelayMetrics(CollectorRegistry()), world.clock)  # type: ignore[arg-type]
    await world.outbox.prepare(world.now)
    await relay.publish(await world.outbox.take(10))
    assert [record.topic for record in picky.sent] == ["otp.challenges"]
    assert await world.valkey.xlen("otp:outbox.parked") == 1


async def test_a_lost_stream_is_made_anew(world: World) -> None:
    async with Tasks() as tasks:
        tasks.spawn(world.relay.run(), "relay")
        await until(lambda: world.valkey.exists("otp:outbox"))
        await world.valkey.delete("otp:outbox")
        await world.otp.open(world.recorded(), world.now)
        await until(lambda: _is_published(world, 2))


async def test_the_trace_of_the_request_goes_with_the_event(world: World) -> None:
    trace = continue_trace(None)
    token = current_trace.set(trace)
    await world.otp.open(world.recorded(), world.now)
    current_trace.reset(token)
    await world.published()
    assert {dict(record.headers)["traceparent"] for record in world.topics.records} == {trace.encode()}


async def test_no_code_handle_phone_or_link_is_anywhere_in_valkey_or_in_a_record(world: World) -> None:
    sent = await world.opened(phone="+915550004321")
    in_topics = b"".join(record.value for record in world.topics.records)
    await world.otp.judge(world.code_reply(wrong_code(sent.code or "", 5), "+915550004321"), world.now)
    world.later(seconds=60)
    await world.otp.ask(sent.handle, "form", world.now)
    held = str(await world.everything())  # the outbox is full at this moment
    assert "message.requested.v1" in held
    await world.otp.judge(world.code_reply(sent.code or "", "+915550004321"), world.now)
    await world.published()
    in_topics += b"".join(record.value for record in world.topics.records)
    on_disk = await _on_disk(world.valkey)
    assert not on_disk or "message.requested.v1" in on_disk
    everything = held + str(await world.everything()) + in_topics.decode() + on_disk
    for secret in (sent.handle, "5550004321", "अनीता"):
        assert secret not in everything
    assert sent.code
    assert sent.code not in re.sub(r"[0-9a-f-]{32,}|[0-9]{7,}", " ", everything)  # digests, ids, times: by chance


async def test_an_entry_is_composed_the_same_after_a_key_rotation(world: World) -> None:
    await world.otp.open(world.recorded(), world.now)
    await world.outbox.prepare(world.now)
    entries = await world.outbox.take(10)
    world.use_keys({"k1": b"1" * 32, "k2": b"2" * 32})
    await world.relay.publish(entries)
    (sent,) = world.messages([event for event in await decoded(world) if isinstance(event, MessageRequested)])
    assert sent.code == world.codes.code("k1", sent.event.challenge_id, 1)  # type: ignore[arg-type]


async def decoded(world: World) -> list[Event]:
    """What was published."""
    return [decode(record.value, record.headers) for record in world.topics.records]


async def test_with_short_times_valkey_is_empty_again_in_the_end(valkey: Redis) -> None:
    """otp.md rule 25, with the real clock of the server: after the kept times not a key is left. A key of one step may
    be gone before the next, so what is counted are those of fifty."""
    policy = Policy(kept=1, reply_kept=1, per_number=((5, 1), (10, 1)), invitation=1, code_margin=0)
    world = World(valkey, policy)
    verified = most = 0
    for number in range(50):
        phone = f"+9155500{number:05}"
        appointment = world.recorded(phone=phone)
        await world.otp.open(appointment, world.now)
        code = world.codes.code("k1", ids.challenge_id(appointment.subject, 1), 1)
        outcomes = await world.otp.judge(world.code_reply(code, phone), world.now)
        verified += [outcome.result for outcome in outcomes] == [Result.VERIFIED]
        most = max(most, await valkey.dbsize())
        with suppress(ValkeyUnavailable):  # the stream and its group may be gone, too
            await world.published()
    assert verified
    assert most

    async def is_empty() -> bool:
        return await valkey.dbsize() == 0

    await until(is_empty)


async def test_valkey_away_is_said_as_such(world: World) -> None:
    async with open_valkey("redis://127.0.0.1:1/0") as nowhere:
        challenges = ValkeyChallenges(nowhere, Scripts(nowhere, Policy()))
        with pytest.raises(ValkeyUnavailable):
            await challenges.close(world.recorded().subject, 1, world.recorded().subject, world.now)
        with pytest.raises(ValkeyUnavailable):
            await challenges.due(world.now, 1)


async def test_the_age_of_the_oldest_entry_is_that_of_the_first_in_the_stream(world: World) -> None:
    assert await world.outbox.waiting() == (0, None)
    await world.valkey.xadd("otp:outbox", {"type": "t"}, id="1764000000000-0")
    await world.valkey.xadd("otp:outbox", {"type": "t"}, id="1764000009000-3")
    assert await world.outbox.waiting() == (2, datetime.fromtimestamp(1_764_000_000, UTC))
    await world.valkey.delete("otp:outbox")  # keys of ours have a time to live
