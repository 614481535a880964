"""A registry database with a tree and a committee, and the portal over it in a process of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from services.registry.migrations import migrate
from services.registry.settings import Settings
from shared.lifecycle import Tasks
from stack import ports
from stack.databases import Databases
from stack.keys import Keys, make_keys
from tests.integration.registry_portal.serve import build
from tests.integration.registry_portal.world import World, open_world, variables

BASE = "http://portal.example"
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="session")
def keys() -> Keys:
    """Secrets of this session."""
    return make_keys()


@pytest.fixture
def registry_url(databases: Databases) -> Iterator[str]:
    """A migrated database of this test alone."""
    template = databases.template("registry", lambda url: asyncio.run(migrate(url)))
    with databases.fresh(template) as url:
        yield url


@pytest.fixture
def settings(registry_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a registry on that database."""
    for name, value in variables(registry_url, keys).items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    """The use cases over a tree of units."""
    async with open_world(settings) as opened:
        await opened.add_tree()
        yield opened


@pytest.fixture
async def committee(world: World) -> dict[str, UUID]:
    """Booth 155-1 with appointments in every state."""
    return await world.add_committee()


class Server:
    """The portal's process."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._url, self._keys = url, keys
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def base(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the same port as before, and wait until it answers. Not on a port of the system's choice: while
        the server is away, the system could give that one to a connection."""
        for port in [self.port] if self.port else [ports.pick() for _ in range(3)]:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.registry_portal.serve"],
                cwd=ROOT,
                env={"PATH": os.defpath, **variables(self._url, self._keys, port)},
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self.process.stdout is not None
            if said := self.process.stdout.readline():
                self.port = int(said)
                return
            self.stop()
        raise RuntimeError("the portal did not start")

    def stop(self, *, kill: bool = False) -> None:
        """End it."""
        if self.process is None:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


@pytest.fixture
def server(registry_url: str, keys: Keys) -> Iterator[Server]:
    """The portal, running."""
    running = Server(registry_url, keys)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
async def portal(settings: Settings, world: World) -> AsyncIterator[FastAPI]:
    """The portal in this process, without a port."""
    async with Tasks() as tasks:
        web, _ = build(settings, world.database, tasks)
        yield web


def stranger(portal: FastAPI, base: str = BASE, **cookies: str) -> httpx.AsyncClient:
    """A browser without a screen: its forms come from our own pages; it follows no redirect."""
    transport = httpx.ASGITransport(portal)
    return httpx.AsyncClient(transport=transport, base_url=base, headers={"origin": base}, cookies=cookies)


@pytest.fixture
async def client(portal: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody signed in, in English."""
    async with stranger(portal, session=await world.sign_in(), language="en") as opened:
        yield opened
