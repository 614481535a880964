"""Kafka edge: which events the notifier hears, in which group, and what each does."""

from services.notifier.domain.invitation import DECIDED
from services.notifier.service.conversation import Conversation
from services.notifier.service.requests import Requests
from shared.bus import Context, Handlers
from shared.clock import Clock
from shared.events import ChallengeEvent, MessageRequested, PersonErased, ReplyJudged

URGENT_GROUP = "notifier-urgent"
BULK_GROUP = "notifier-bulk"
GROUP = "notifier"


def message_subscriptions(requests: Requests, clock: Clock) -> Handlers:
    """For both lanes, each in a group of its own: the urgent topic never waits for the bulk one."""

    async def requested(event: MessageRequested, _: Context) -> None:
        await requests.request(event, clock())

    return {MessageRequested: requested}


def subscriptions(requests: Requests, conversation: Conversation, clock: Clock) -> Handlers:
    """What otp and registry state. Handlers may be run twice with the same event."""

    async def decided(event: ChallengeEvent, _: Context) -> None:
        await requests.decide(event, clock())

    async def judged(event: ReplyJudged, _: Context) -> None:
        await conversation.judged(event)

    async def erased(event: PersonErased, _: Context) -> None:
        await requests.erase(event, clock())

    return {**dict.fromkeys(DECIDED, decided), ReplyJudged: judged, PersonErased: erased}
