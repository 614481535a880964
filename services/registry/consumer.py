"""What the registry hears: challenges from otp, deliveries from the notifier."""

from services.registry.domain.states import Heard
from services.registry.service import Service
from shared.bus import Context, Handlers
from shared.clock import Clock
from shared.events import (
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeLocked,
    ChallengeOpened,
    ChallengeRefused,
    ChallengeVerified,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryUnknown,
)

GROUP = "registry"
DELIVERIES_GROUP = "registry-deliveries"

_CHALLENGES: dict[type[ChallengeEvent], Heard] = {
    ChallengeOpened: Heard.OPENED,
    ChallengeVerified: Heard.VERIFIED,
    ChallengeRefused: Heard.REFUSED,
    ChallengeLocked: Heard.LOCKED,
    ChallengeExpired: Heard.EXPIRED,
    ChallengeClosed: Heard.CLOSED,
}
_DELIVERIES: dict[type[DeliveryEvent], str] = {
    DeliveryAccepted: "accepted",
    DeliveryDelivered: "delivered",
    DeliveryFailed: "failed",
    DeliveryUnknown: "unknown",
}


def subscriptions(service: Service, clock: Clock) -> Handlers:
    """What otp states. Each handler is one transaction and may be run twice with the same event."""

    async def challenge(event: ChallengeEvent, _: Context) -> None:
        await service.outcomes.hear_challenge(event, _CHALLENGES[type(event)], clock())

    return dict.fromkeys(_CHALLENGES, challenge)


def delivery_subscriptions(service: Service) -> Handlers:
    """What became of messages, in a group of its own: there are three times as many of them as of people, and who
    confirmed is shown at once. As above."""

    async def delivery(event: DeliveryEvent, _: Context) -> None:
        await service.outcomes.hear_delivery(event, _DELIVERIES[type(event)])

    return dict.fromkeys(_DELIVERIES, delivery)
