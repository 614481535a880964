"""Serving an application on a port until a block is left."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from shared.errors import EX_UNAVAILABLE, Failure
from shared.lifecycle import Tasks


class PortTaken(Failure):
    """Nothing can listen on port {port}: somebody else does, or the address is not of this machine."""

    code = "port_taken"
    alarm = True
    exit_code = EX_UNAVAILABLE


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int, tasks: Tasks, *, grace: int = 5) -> AsyncIterator[int]:
    """Serve `app` until the block is left; yields the port (of the system's choice for 0). There is no access log:
    paths hold handles. `grace`: seconds that open requests get."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=30,
    )
    server = _Server(config)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(port=port) from error
    task = tasks.spawn(server.serve(sockets=[listener]), name="http")
    try:
        async with asyncio.timeout(grace + 10):
            await server.up.wait()
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait({task}, timeout=grace + 2)
        listener.close()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the lifecycle hears signals and stops in reverse order."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell `serving` that requests are answered from now on."""
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the lifecycle."""
        yield
