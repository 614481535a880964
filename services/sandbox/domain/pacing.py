"""Telegram's published rate limits, as an optional profile (core.telegram.org/bots/faq)."""

import math
from collections import deque

ALL = (30, 1.0)
CHAT = (1, 1.0)
ROOM = (20, 60.0)
"""Messages per seconds: over all chats, per private chat, per group or channel."""
CHATS_KEPT = 10_000


class Pacing:
    """Sliding windows; off until switched on, because the real limits are not exact either."""

    def __init__(self) -> None:
        self.on = False
        self._sent: dict[str, deque[float]] = {}

    def wait(self, chat_id: str, *, private: bool, now: float) -> int:
        """Whole seconds that the caller must wait, 0 when the message may go (it is then counted)."""
        if not self.on:
            return 0
        windows = {"": ALL, chat_id: CHAT if private else ROOM}
        waits = [self._wait(key, *window, now) for key, window in windows.items()]
        if max(waits) > 0:
            return math.ceil(max(waits))
        if len(self._sent) > CHATS_KEPT:
            self._sent = {key: sent for key, sent in self._sent.items() if sent[-1] > now - ROOM[1]}
        for key in windows:
            self._sent.setdefault(key, deque()).append(now)
        return 0

    def _wait(self, key: str, most: int, seconds: float, now: float) -> float:
        sent = self._sent.get(key)
        while sent and sent[0] <= now - seconds:
            sent.popleft()
        if sent is not None and not sent:
            del self._sent[key]
        return sent[0] + seconds - now if sent and len(sent) >= most else 0.0
