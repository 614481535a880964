"""What Kafka refuses is said with its cause, by consumer and producer alike, and they go on when it is put right."""

from collections.abc import Sequence

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)
from structlog.testing import capture_logs

from shared.bus import BusUnavailable, Connection, MemoryBroker, NotHearing, Outgoing, Producer, TopicForbidden
from shared.bus.access import Access
from shared.bus.consumer import Consumer
from shared.bus.kafka.diagnosis import unavailable
from shared.bus.memory.broker import MemoryMember, MemoryPublisher
from shared.bus.wire import AccessRefused, Listener
from shared.errors import EX_CONFIG
from shared.events import PEOPLE, PersonErased, Topic, encode
from tests.contract.bus.scenery import Heard, clock, erased, until

OTP = Connection("nowhere:1", "otp", access=Access("otp", "pw"))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TopicAuthorizationFailedError("a.b"), "user otp may not read or write topic a.b, or it does not exist"),
        (TopicAuthorizationFailedError({"b", "a"}), "user otp may not read or write topic a, b, or it does not exist"),
        (GroupAuthorizationFailedError("otp"), "user otp may not use consumer group otp"),
        (
            GroupAuthorizationFailedError("Unable to get coordinator id for otp."),
            "user otp may not use consumer group otp",
        ),
        (ClusterAuthorizationFailedError(), "user otp may write to no topic at all"),
    ],
)
async def test_a_right_that_is_missing_is_named(error: KafkaError, cause: str) -> None:
    refused = await unavailable(OTP, error)
    assert isinstance(refused, AccessRefused)
    assert refused.details["cause"] == cause
    around = KafkaError("commit failed")
    around.__cause__ = error
    assert (await unavailable(OTP, around)).message == refused.message


@pytest.mark.parametrize("error", [NotLeaderForPartitionError(), TimeoutError(), ConnectionResetError()])
async def test_everything_else_is_a_broker_that_does_not_answer(error: Exception) -> None:
    assert type(await unavailable(OTP, error)) is BusUnavailable


def test_a_process_that_ends_of_a_refusal_says_that_somebody_must_put_something_right() -> None:
    assert AccessRefused(cause="x").exit_code == EX_CONFIG


class Refusing(MemoryBroker):
    """A broker that lets nobody in while `cause` is set."""

    cause: str | None = "127.0.0.1:9093 refused user otp: wrong password, or unknown user"

    def member(self, group: str, topics: Sequence[Topic]) -> MemoryMember:
        """A member that is refused at its start."""
        made = super().member(group, topics)
        start = made.start

        async def refused(listener: Listener) -> None:
            if self.cause:
                raise AccessRefused(cause=self.cause)
            await start(listener)

        made.start = refused  # type: ignore[method-assign]
        return made

    def publisher(self) -> MemoryPublisher:
        """A publisher that is refused its topic."""
        made = super().publisher()
        send = made.send

        async def refused(records: Sequence[Outgoing]) -> None:
            if self.cause:
                raise TopicForbidden(topic=records[0].topic)
            await send(records)

        made.send = refused  # type: ignore[method-assign]
        return made


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that tries again at once."""
    monkeypatch.setattr("shared.bus.consumer._REJOIN_SECONDS", 0.01)


async def test_a_consumer_says_in_ready_and_in_the_log_what_kafka_refused(fast: None) -> None:
    broker, heard = Refusing(clock), Heard()
    made = Consumer(broker, "otp", {PersonErased: heard}, clock=clock, topics=(PEOPLE,))
    with capture_logs() as said:
        async with made as consumer:
            await until(lambda: consumer.health.refused)
            with pytest.raises(NotHearing) as told:
                await consumer.probe()
            broker.cause = None
            await until(lambda: consumer.health.ready)
            assert consumer.health.refused is None
    assert told.value.message == (
        "Group otp hears nothing: broker. Kafka does not let this service do its work: "
        "127.0.0.1:9093 refused user otp: wrong password, or unknown user."
    )
    line = next(line for line in said if line["event"] == "broker away, joining again")
    assert (line["error_code"], line["group"]) == ("bus_access_refused", "otp")
    assert "wrong password" in line["reason"]


async def test_a_producer_is_not_ready_from_a_refusal_to_the_next_record_that_is_taken() -> None:
    broker = Refusing(clock)
    async with Producer(broker) as producer:
        await producer.probe()
        with pytest.raises(TopicForbidden):
            await producer.publish([encode(erased(1))])
        with pytest.raises(TopicForbidden, match=PEOPLE.name):
            await producer.probe()
        broker.cause = None
        await producer.publish([encode(erased(1))])
        await producer.probe()
