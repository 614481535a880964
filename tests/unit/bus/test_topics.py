"""Topics on a cluster whose nodes hear of them one after the other: each question is answered by another node."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest

from shared.bus import BusUnavailable, Connection, ensure_topics
from shared.bus.kafka import topics as module
from shared.events import Topic

TOPIC = Topic("people", "registry", partitions=1)


class Slow:
    """Two nodes that are asked in turn; the second hears of a topic `later` answers after the first."""

    def __init__(self) -> None:
        """Without topics."""
        self.later, self._made, self._turn = 0, False, cycle((False, True))
        self.stale = 0
        """Answers that did not know the topic although it was made."""

    async def describe_cluster(self) -> dict[str, Any]:
        return {"brokers": [1], "cluster_id": "slow"}

    async def create_topics(self, new: Sequence[Any]) -> SimpleNamespace:
        self._made = True
        return SimpleNamespace(topic_errors=[(each.name, 0, None) for each in new])

    async def describe_topics(self, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
        second = next(self._turn)
        if self._made and second and self.stale < self.later:
            self.stale += 1
        elif self._made:
            return [{"topic": TOPIC.name, "error_code": 0, "partitions": [{"leader": 1, "replicas": [1]}]}]
        return [{"topic": name, "error_code": 3, "partitions": []} for name in names or ()]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Whom every question about topics is put to; it hears of them at once until told otherwise."""
    made = Slow()

    @asynccontextmanager
    async def admin(_: Connection) -> AsyncIterator[Slow]:
        yield made

    monkeypatch.setattr(module, "admin", admin)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.0)
    return made


async def test_a_node_that_has_not_heard_of_the_new_topics_is_asked_again(slow: Slow) -> None:
    slow.later = 2
    assert await ensure_topics(Connection("nowhere:1", "tests", ephemeral=True), [TOPIC]) == [TOPIC.name]
    assert slow.stale == 2  # once while it waits for leaders, once when it compares


async def test_a_cluster_that_never_hears_of_them_is_unavailable(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.later = 1_000_000_000
    monkeypatch.setattr(slow, "_turn", cycle((True,)))
    monkeypatch.setattr(module, "_READY_SECONDS", 0.05)
    with pytest.raises(BusUnavailable):
        await ensure_topics(Connection("nowhere:1", "tests", ephemeral=True), [TOPIC])
