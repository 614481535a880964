"""The running sandbox: its world, its clock, and the parts that act on them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from services.sandbox.domain.carrier import Sms
from services.sandbox.domain.chats import Message
from services.sandbox.domain.world import World
from services.sandbox.service.bot_api import BotApi
from services.sandbox.service.changes import Changes
from services.sandbox.service.deliveries import Deliveries, Post
from services.sandbox.service.gateway import Codes
from services.sandbox.service.messages import AccountLine, Messages
from shared.clock import Clock

Item = TypeVar("Item", Sms, Message)


class Sandbox:
    """One sandbox. `nonce()` gives 16 hex digits that no other start or reset has."""

    def __init__(
        self, account: AccountLine, *, username: str, clock: Clock, nonce: Callable[[], str], post: Post
    ) -> None:
        self._username, self._clock, self._nonce = username, clock, nonce
        self.changes = Changes()
        self.deliveries = Deliveries()
        self.world = self._new_world()
        self.messages = Messages(account, lambda: self.world, self.now, post, self.deliveries)
        self.codes = Codes(lambda: self.world, self.now, post, self.deliveries, account.retry_first)
        self.bot_api = BotApi(lambda: self.world, self.now, self.changes, post, account.retry_first)

    def now(self) -> float:
        """The sandbox's time in seconds since 1970: the clock, plus what was skipped."""
        return self._clock().timestamp() + self.world.skew

    def reset(self) -> None:
        """Forget everything: phones, chats, faults, calls and what was about to be delivered."""
        self.deliveries.clear()
        self.world = self._new_world()
        self.changes.touch("all")

    def _new_world(self) -> World:
        now = self._clock().timestamp()
        return World(username=self._username, now=now, nonce=self._nonce(), touch=self.changes.touch)

    async def wait_for(
        self, items: Callable[[], Iterable[Item]], *, after: int, contains: str, timeout: float
    ) -> Item | None:
        """The first of `items` behind sequence number `after` whose text contains `contains`; bounded by `timeout`."""

        def look() -> Item | None:
            return next((i for i in items() if i.seq > after and contains in text_of(i)), None)

        return await self.changes.until(look, timeout)


def text_of(item: Sms | Message) -> str:
    """What a message says."""
    return item.body if isinstance(item, Sms) else item.text
