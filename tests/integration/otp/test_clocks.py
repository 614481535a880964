"""Clocks that differ: what another service says of the time delays nothing here."""

from datetime import timedelta

import pytest

from shared.events import DeliveryUnknown
from tests.integration.otp.world import World


@pytest.mark.parametrize("ahead", [timedelta(seconds=20), timedelta(days=3)])
async def test_a_message_in_doubt_is_attempted_anew_in_time_although_the_notifiers_clock_is_ahead(
    world: World, ahead: timedelta
) -> None:
    sent = await world.opened()
    doubt = world.delivery(DeliveryUnknown, sent.event).model_copy(update={"at": world.now + ahead})
    await world.otp.note(doubt, world.now)
    world.later(seconds=44)
    await world.otp.sweep(world.now)
    assert await world.published() == []
    world.later(seconds=1)
    await world.otp.sweep(world.now)
    (again,) = world.messages(await world.published())
    assert again.event.attempt == 2


async def test_a_doubt_that_is_heard_of_late_has_waited_already(world: World) -> None:
    sent = await world.opened()
    doubt = world.delivery(DeliveryUnknown, sent.event)
    world.later(seconds=50)
    await world.otp.note(doubt, world.now)
    await world.otp.sweep(world.now)
    (again,) = world.messages(await world.published())
    assert again.event.attempt == 2
