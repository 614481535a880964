"""The bot's queue of updates: filtered when they arise, confirmed by offset, expired by age."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
KINDS = (
    "message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "my_chat_member",
    "chat_member", "chat_join_request", "message_reaction", "message_reaction_count", "inline_query", "poll",
)  # fmt: skip
DEFAULT_KINDS = frozenset(KINDS) - {"chat_member", "message_reaction", "message_reaction_count"}
"""What a bot gets that never said otherwise (Bot API, setWebhook: allowed_updates)."""

CALLBACK_LIFE = 150.0
OTHER_LIFE = 86_400.0
"""Seconds until an update that nobody fetched is dropped (telegram-bot-api, Client.cpp)."""

KEPT = 5_000
HISTORY = 500


@dataclass(slots=True)
class Pending:
    """One update in the queue."""

    update_id: int
    kind: str
    body: Json
    expires: float


@dataclass(slots=True)
class Updates:
    """The queue of one bot. `dropped` counts what the bound of 5,000 threw away."""

    next_id: int = 1
    allowed: frozenset[str] = DEFAULT_KINDS
    pending: deque[Pending] = field(default_factory=deque)
    history: deque[Pending] = field(default_factory=lambda: deque(maxlen=HISTORY))
    copies: int = 1
    dropped: int = 0
    held: bool = False

    def add(self, kind: str, content: Json, now: float) -> int | None:
        """Queue an update of `kind`; None when the bot did not ask for that kind."""
        if kind not in self.allowed:
            return None
        update_id = self.next_id
        self.next_id += 1
        life = CALLBACK_LIFE if kind == "callback_query" else OTHER_LIFE
        entry = Pending(update_id, kind, {"update_id": update_id, kind: content}, now + life)
        for _ in range(self.copies):
            self._queue(entry)
        self.history.append(entry)
        return update_id

    def inject(self, body: Json, now: float) -> int:
        """Queue `body` as it is, also when it is malformed; an update_id is added when it has none."""
        update_id = int(body.get("update_id", self.next_id))
        self.next_id = max(self.next_id, update_id + 1)
        self._queue(Pending(update_id, "raw", {"update_id": update_id, **body}, now + OTHER_LIFE))
        return update_id

    def repeat(self, update_id: int | None, times: int, now: float) -> int | None:
        """Queue an earlier update (the last one without an id) `times` more; None when it is unknown."""
        wanted = [p for p in self.history if update_id in {None, p.update_id}]
        if not wanted:
            return None
        again = wanted[-1]
        for _ in range(times):
            self._queue(Pending(again.update_id, again.kind, again.body, now + OTHER_LIFE))
        return again.update_id

    def reverse(self) -> int:
        """Turn the order of what is pending around; returns how many updates that are."""
        self.pending.reverse()
        return len(self.pending)

    def allow(self, kinds: list[str] | None) -> None:
        """Remember allowed_updates: None keeps the previous list, an empty one is the default."""
        if kinds is not None:
            self.allowed = frozenset(kinds) & frozenset(KINDS) if kinds else DEFAULT_KINDS

    def take(self, offset: int, limit: int, now: float) -> list[Json]:
        """Confirm everything below `offset` (negative: all but the last -offset) and return up to `limit`."""
        self.expire(now)
        if offset < 0:
            while len(self.pending) > -offset:
                self.pending.popleft()
        elif offset:
            self.pending = deque(p for p in self.pending if p.update_id >= offset)
        limit = limit if 1 <= limit <= 100 else 100
        return [] if self.held else [p.body for p in list(self.pending)[:limit]]

    def first(self, now: float) -> Pending | None:
        """The update that a webhook is sent next."""
        self.expire(now)
        return self.pending[0] if self.pending and not self.held else None

    def done(self, entry: Pending) -> None:
        """Forget a delivered update."""
        if entry in self.pending:
            self.pending.remove(entry)

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        if any(p.expires <= now for p in self.pending):
            self.pending = deque(p for p in self.pending if p.expires > now)

    def _queue(self, entry: Pending) -> None:
        if len(self.pending) >= KEPT:
            self.pending.popleft()
            self.dropped += 1
        self.pending.append(entry)
