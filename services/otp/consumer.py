"""Kafka edge: which events otp hears, and what each does."""

from services.otp.service import Otp
from shared.bus import Context, Handlers
from shared.clock import Clock
from shared.events import (
    AppointmentEnded,
    AppointmentInvited,
    AppointmentRecorded,
    AppointmentReissued,
    DeliveryAccepted,
    DeliveryDelivered,
    DeliveryEvent,
    DeliveryFailed,
    DeliveryUnknown,
    PersonErased,
    ReplyReceived,
)

GROUP = "otp"
REPLIES_GROUP = "otp-replies"


def reply_subscriptions(otp: Otp, clock: Clock) -> Handlers:
    """What people answer, in a group of its own: it never waits behind those who are being asked. As below."""

    async def replied(event: ReplyReceived, _: Context) -> None:
        await otp.judge(event, clock())

    return {ReplyReceived: replied}


def subscriptions(otp: Otp, clock: Clock) -> Handlers:
    """The handlers by event. Each may be run twice with the same event; each is one script."""

    async def invited(event: AppointmentInvited, _: Context) -> None:
        await otp.open(event, clock())

    async def ended(event: AppointmentEnded, _: Context) -> None:
        await otp.close(event, clock())

    async def erased(event: PersonErased, _: Context) -> None:
        await otp.erase(event, clock())

    async def delivery(event: DeliveryEvent, _: Context) -> None:
        await otp.note(event, clock())

    return {
        AppointmentRecorded: invited,
        AppointmentReissued: invited,
        AppointmentEnded: ended,
        PersonErased: erased,
        DeliveryAccepted: delivery,
        DeliveryDelivered: delivery,
        DeliveryFailed: delivery,
        DeliveryUnknown: delivery,
    }
