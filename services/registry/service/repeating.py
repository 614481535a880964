"""A repeated request (Idempotency-Key, a form sent twice) has one effect and gets the first one's answer."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from services.registry.domain.commands import Answer, Once
from services.registry.domain.ports import Work
from services.registry.domain.principal import Principal


async def once_only(
    work: Work, principal: Principal, once: Once | None, now: datetime, act: Callable[[], Awaitable[Answer]]
) -> Answer:
    """What `act` answers, or answered to the first request. A failure keeps nothing: the request may be repeated.
    Raises KeyReused."""
    if once is None:
        return await act()
    earlier = await work.access.claim(principal, once, now)
    if earlier is not None:
        return earlier
    answer = await act()
    await work.access.answer(principal, once, answer)
    return answer
