"""How the ways out are opened."""

import asyncio
from threading import Event
from types import ModuleType

import pytest

from services.notifier.app import ways


async def test_the_event_loop_goes_on_while_the_bot_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = Event()

    def load(name: str) -> ModuleType:
        assert turned.wait(60)
        return ModuleType(name)

    monkeypatch.setattr(ways, "import_module", load)
    asyncio.get_running_loop().call_soon(turned.set)
    await ways.load_bot()
