"""Unit tests cannot reach a network by mistake."""

import asyncio
import socket

import pytest


def test_a_connection_is_refused() -> None:
    with socket.socket() as connection, pytest.raises(AssertionError, match="used the network"):
        connection.connect(("127.0.0.1", 9))


async def test_the_event_loop_cannot_connect_either() -> None:
    with pytest.raises(AssertionError, match="used the network"):
        await asyncio.open_connection("127.0.0.1", 9)


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(AssertionError, match="used the network"):
        socket.getaddrinfo("localhost", 9)
