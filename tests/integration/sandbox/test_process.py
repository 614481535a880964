"""The process: where it listens, what it lets in, how it ends."""

import socket
import subprocess

import httpx
import pytest

from shared.errors import EX_UNAVAILABLE
from tests.integration.sandbox.conftest import Client
from tests.integration.sandbox.process import own_port, sandbox, start, stop, wait_until_up


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org"])  # noqa: S104 - the point of the test
def test_it_refuses_to_listen_beyond_this_machine_with_a_sentence(host: str) -> None:
    with own_port() as port:
        process = start(port, SANDBOX_HOST=host)
        _, written = process.communicate(timeout=60)
    assert process.returncode == 1
    assert written == "SANDBOX_HOST: the sandbox listens on loopback only: set SANDBOX_HOST to 127.0.0.1\n"


def test_it_ends_soon_on_sigterm_although_a_long_poll_and_a_live_page_are_open() -> None:
    with own_port() as port, start(port) as process:
        try:
            ends_soon(process, port)
        finally:
            process.kill()
    assert process.returncode == 0


def ends_soon(process: subprocess.Popen[str], port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    wait_until_up(url)
    with (
        httpx.Client(timeout=60) as http,
        http.stream("GET", f"{url}/live") as live,
        socket.create_connection(("127.0.0.1", port), timeout=60) as poll,
    ):
        lines = live.iter_lines()
        assert next(lines) == "event: hello"
        poll.sendall(b"GET /bot1:abc/getUpdates?timeout=50 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        http.post(f"{url}/control/phones", json={"phone": "+915550000210", "name": "x"})  # heard after the poll
        assert stop(process) == ""
        assert poll.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_only_the_fixed_token_is_accepted_when_there_is_one() -> None:
    with own_port() as port, sandbox(port, SANDBOX_TELEGRAM_TOKEN="1:right-token") as url:
        assert httpx.get(f"{url}/bot1:right-token/getMe", timeout=60).json()["ok"] is True
        refused = httpx.get(f"{url}/bot1:wrong-token/getMe", timeout=60)
        assert (refused.status_code, refused.json()["description"]) == (401, "Unauthorized")


def test_a_page_of_another_site_and_a_foreign_host_name_are_kept_out(client: Client) -> None:
    form = {"name": "x", "phone": "+915550000999"}
    assert client.post("/phones", data=form, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"Host": "localhost:1"}).status_code == 200
    assert client.post("/phones", data=form, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_a_taken_port_has_an_exit_code_of_its_own_so_that_whoever_started_it_may_choose_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(taken.getsockname()[1])
        _, written = process.communicate(timeout=60)
    assert process.returncode == EX_UNAVAILABLE
    assert "port_taken" in written
