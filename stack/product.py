"""Boothline itself, as the launcher starts it."""

from shared.bus import Connection, ensure_topics
from stack.running import Product
from stack.services import boothline


async def _make_topics(bootstrap: str, ephemeral: bool) -> None:
    await ensure_topics(Connection(bootstrap, "boothline-stack", ephemeral))


BOOTHLINE = Product(boothline, _make_topics)
