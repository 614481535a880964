"""How the bot starts, hears, breaks and stops: B30, B31, B33 to B36, B38, B39."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, redirect_stderr
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from services.notifier.api.telegram import SECRET_HEADER, routes
from services.notifier.bot.dialog import Handling
from services.notifier.bot.edge import Telegram
from services.notifier.channels.telegram.connection import InsecureAddress, server
from services.notifier.service.telegram.answering import Answering
from services.notifier.store.database import DatabaseUnavailable
from services.notifier.store.telegram.intake import Intake
from shared import log
from shared.lifecycle import Tasks
from shared.web import create_web, serving
from tests.integration.notifier_bot.test_linking import YES
from tests.integration.notifier_bot.test_sending import counted
from tests.integration.notifier_bot.world import BOT, PHONE, TOKEN, World, until

SECRET = "webhook-secret-of-the-tests"


async def test_b30_a_stop_waits_for_what_is_in_hand_and_the_rest_is_handled_after_the_next_start(
    bare: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, handled = asyncio.Event(), []
    write = Answering.write

    async def until_the_stop(self: Answering, turn: Any, text: str) -> Any:
        slow.set()
        await until(lambda: _stopping(bot))
        handled.append(turn.update_id)
        return await write(self, turn, text)

    monkeypatch.setattr(Answering, "write", until_the_stop)
    for number in range(6):
        bare.phone(f"+9155500003{number:02d}")
    async with bare.telegram() as bot:
        for number in range(6):
            bare.write(f"+9155500003{number:02d}", "hello")
        await slow.wait()
    done = await bare.rows("SELECT update_id FROM telegram_update WHERE state = 'done'")
    assert {row["update_id"] for row in done} == set(handled)
    assert handled
    monkeypatch.setattr(Answering, "write", write)
    async with bare.telegram():
        await bare.settled()
        for number in range(6):
            await bare.says(f"+9155500003{number:02d}", "6 अंकों")
    assert len(bare.calls("sendMessage")) == 6


async def _stopping(bot: Telegram) -> bool:
    return bot._workers._stopping


async def test_a_crash_in_the_middle_leaves_nothing_behind_and_the_update_is_handled_again(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.phone()
    await w.link()
    done = Intake.done
    crashes = 2

    async def crash(self: Intake, *arguments: Any) -> None:
        nonlocal crashes
        if crashes:
            crashes -= 1
            raise DatabaseUnavailable
        await done(self, *arguments)

    monkeypatch.setattr(Intake, "done", crash)
    w.tap(YES)
    await w.reply()
    await w.settled()
    assert len(await w.replies()) == 1
    assert len(w.calls("answerCallbackQuery")) == 1


@pytest.mark.parametrize(
    "update",
    [
        {"message": {"message_id": "x", "chat": {"id": 1}}},
        {"message": None},
        {"message": [1, 2]},
        {"callback_query": {"id": 5}},
        {"update_of_the_future": {"chat": {"id": 1}}},
        {},
    ],
    ids=["wrong types", "nothing", "a list", "parts missing", "unknown kind", "empty"],
)
async def test_b31_a_malformed_update_is_put_aside_and_the_next_one_is_handled(
    w: World, update: dict[str, Any]
) -> None:
    w.phone()
    world = w.sandbox.world
    world.telegram.updates.inject(update, w.sandbox.now())
    world.telegram.touch("updates")
    w.write(PHONE, "hello")
    await w.says(PHONE, "6 अंकों")
    await w.settled()
    states = [row["state"] for row in await w.rows("SELECT state FROM telegram_update ORDER BY update_id")]
    assert states in (["dead", "done"], ["done", "done"])
    errors = await w.rows("SELECT kind, error FROM telegram_update WHERE state = 'dead'")
    assert all(row["error"] for row in errors)


async def test_b31_an_update_whose_handling_always_breaks_is_given_up_and_does_not_stop_its_chat(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.phone()

    async def broken(self: Answering, turn: Any, text: str) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(Answering, "write", broken)
        patch.setattr("services.notifier.bot.worker.backoff", lambda *_: 0.0)
        w.write(PHONE, "hello")
        await until(lambda: _dead(w))
    assert sum(line["event"] == "update failed" for line in lines) == 5
    w.write(PHONE, "hello again")
    await w.says(PHONE, "6 अंकों")
    await until(lambda: counted(w, 1, "updates_total", outcome="dead"))


async def _dead(w: World) -> bool:
    rows = await w.rows("SELECT error FROM telegram_update WHERE state = 'dead'")
    return [row["error"] for row in rows] == ["ZeroDivisionError"]


async def test_b33_a_second_instance_says_so_and_the_first_goes_on(w: World) -> None:
    w.phone()
    first = w.registry
    async with w.telegram():
        second = w.registry
        name = "boothline_telegram_troubles_total"

        async def conflict() -> float:
            return sum(r.get_sample_value(name, {"kind": "conflict"}) or 0 for r in (first, second))

        await until(conflict)
        w.write(PHONE, "hello")
        await w.says(PHONE, "6 अंकों")
    assert len(w.from_bot()) == 1


@asynccontextmanager
async def webhook(w: World) -> AsyncIterator[str]:
    """The bot behind its webhook, called by the sandbox."""
    async with Tasks() as tasks:
        web = create_web("notifier", CollectorRegistry(), {})
        async with serving(web, "127.0.0.1", 0, tasks) as port:
            url = f"http://127.0.0.1:{port}/telegram/{BOT}"
            async with w.telegram(webhook=url) as bot:
                web.include_router(routes(BOT, SECRET, bot.take))
                await until(lambda: _set(w, url))
                yield url


async def _set(w: World, url: str) -> bool:
    return w.sandbox.world.telegram.webhook.url == url


async def test_an_update_by_webhook_is_answered(bare: World) -> None:
    bare.phone()
    async with webhook(bare):
        bare.write(PHONE, "hello")
        await bare.says(PHONE, "6 अंकों")
        await until(lambda: _heard(bare))


async def _heard(w: World) -> bool:
    return w.metric("heard_timestamp_seconds") > 0


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "ü"])
async def test_b34_a_wrong_secret_is_401_and_no_work(bare: World, secret: str | None) -> None:
    async with webhook(bare) as url:
        headers = {SECRET_HEADER: secret} if secret is not None else {}
        async with bare.session.post(url, json={"update_id": 1, "message": {}}, headers=headers) as answer:
            assert answer.status == 401
        assert await bare.rows("SELECT 1 FROM telegram_update") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"update_id": "1"}', b'{"update_id": true}', b"\xff"])
async def test_a_webhook_body_that_is_no_update_is_422(bare: World, body: bytes) -> None:
    async with webhook(bare) as url:
        async with bare.session.post(url, data=body, headers={SECRET_HEADER: SECRET}) as answer:
            assert answer.status == 422
        assert await bare.rows("SELECT 1 FROM telegram_update") == []


async def test_b35_an_update_is_not_acknowledged_while_the_database_is_away(
    bare: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.phone()
    keep = Intake.keep
    away = True

    async def unavailable(self: Intake, *arguments: Any) -> None:
        if away:
            raise DatabaseUnavailable
        await keep(self, *arguments)

    monkeypatch.setattr(Intake, "keep", unavailable)
    async with webhook(bare) as url:
        async with bare.session.post(url, json={"update_id": 7}, headers={SECRET_HEADER: SECRET}) as answer:
            assert answer.status == 503
        bare.write(PHONE, "hello")
        await until(lambda: _failed_push(bare))
        assert len(bare.sandbox.world.telegram.updates.pending) == 1
        away = False
        await bare.says(PHONE, "6 अंकों")


async def _failed_push(w: World) -> bool:
    return "503" in w.sandbox.world.telegram.webhook.last_error


async def test_b35_a_poll_is_not_confirmed_before_its_rows_are_committed(
    bare: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.phone()
    keep = Intake.keep
    refusals = 2

    async def unavailable(self: Intake, *arguments: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise DatabaseUnavailable
        await keep(self, *arguments)

    monkeypatch.setattr(Intake, "keep", unavailable)
    monkeypatch.setattr("services.notifier.bot.poller.PAUSE_CAP", 0.05)
    bare.write(PHONE, "hello")
    async with bare.telegram():
        await bare.says(PHONE, "6 अंकों")
    assert refusals == 0
    offsets = [call["offset"] for call in bare.calls("getUpdates")]
    assert offsets[:3] == ["0", "0", "0"]


async def test_b35_without_valkey_updates_are_kept_and_answers_wait(
    bare: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.phone()
    async with bare.telegram():
        await until(lambda: _ready(bare))
        with monkeypatch.context() as patch:

            async def away(*_: object, **__: object) -> None:
                raise RedisConnectionError

            patch.setattr("redis.commands.core.AsyncScript.__call__", away)
            bare.write(PHONE, "hello")
            await until(lambda: _put_off(bare))
            assert bare.from_bot() == []
        await bare.says(PHONE, "6 अंकों")
    assert len(bare.from_bot()) == 1


async def _ready(w: World) -> bool:
    return len(w.calls("setMyCommands")) >= 3


async def _put_off(w: World) -> bool:
    return bool(await w.rows("SELECT 1 FROM telegram_answer WHERE error = 'valkey_unavailable'"))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a service that logs all it can writes; logging is afterwards as it was, for the tests that follow."""
    written, root, before = io.StringIO(), logging.getLogger(), structlog.get_config()
    handlers, hook = root.handlers, sys.excepthook
    levels = {name: logging.getLogger(name).level for name in ("root", "aiogram", "aiohttp", "aiokafka")}
    with redirect_stderr(written):
        log.configure("notifier", "debug")
        structlog.configure(cache_logger_on_first_use=False)
        root.addHandler(logging.StreamHandler(written))
        yield written
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    root.handlers, sys.excepthook = handlers, hook
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


async def test_b36_the_token_is_in_no_log_line(
    bare: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("start.RETRY_CAP", "poller.PAUSE_CAP", "poller.ELSEWHERE_SECONDS", "poller.REVOKED_SECONDS"):
        monkeypatch.setattr(f"services.notifier.bot.{pause}", 0.05)
    for fault in ({"status": 500}, {"reset": True}, {"status": 409}, {"status": 401}, {"status": 404}):
        bare.fault("getUpdates", **fault)
        bare.fault("getMe", **fault)
    bare.phone()
    bare.write(PHONE, "hello")
    async with bare.telegram():
        await bare.says(PHONE, "6 अंकों")  # after every fault
    assert "polling failed" in lines.getvalue()
    assert TOKEN.partition(":")[2] not in lines.getvalue()


async def test_b38_a_start_asks_who_it_is_and_names_what_it_wants_to_hear(bare: World) -> None:
    bare.fault("getMe", status=502, times=2)
    async with bare.telegram():
        await until(lambda: _polled(bare))
    assert len(bare.calls("getMe")) == 3
    (deleted,) = bare.calls("deleteWebhook")
    assert deleted["drop_pending_updates"] in {"false", "False"}
    assert {call.get("language_code", "") for call in bare.calls("setMyCommands")} == {"hi", "en", ""}


async def _polled(w: World) -> bool:
    wanted = {"message", "callback_query", "my_chat_member", "chat_member", "chat_join_request"}
    return w.sandbox.world.telegram.updates.allowed == wanted


async def test_b38_a_webhook_start_keeps_what_waits(bare: World) -> None:
    bare.phone()
    bare.write(PHONE, "hello")
    async with webhook(bare):
        await bare.says(PHONE, "6 अंकों")
    (call,) = bare.calls("setWebhook")
    assert call["drop_pending_updates"] in {"false", "False"}
    assert json.loads(call["allowed_updates"]) == [
        "message", "callback_query", "my_chat_member", "chat_member", "chat_join_request",
    ]  # fmt: skip


@pytest.mark.parametrize("base", ["http://api.telegram.org", "http://10.0.0.1:8081", "ftp://127.0.0.1", "//x", ""])
def test_b39_http_is_refused_outside_loopback(base: str) -> None:
    with pytest.raises(InsecureAddress):
        server(base)


@pytest.mark.parametrize("base", ["https://api.telegram.org", "http://127.0.0.1:8081", "http://localhost:1/"])
def test_b39_https_and_loopback_are_taken(base: str) -> None:
    assert server(base).api_url("T", "getMe").startswith(base.rstrip("/") + "/botT/")


async def test_updates_of_many_chats_are_handled_in_order_each(w: World) -> None:
    numbers = [f"+9155500004{n:02d}" for n in range(10)]
    w.phone(*numbers)
    order: dict[int, list[int]] = {}
    of = Handling.of

    def watched(self: Handling, message: Any) -> Any:
        order.setdefault(message.chat.id, []).append(self.update_id)
        return of(self, message)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handling, "of", watched)
        for _ in range(5):
            for number in numbers:
                w.write(number, "hello")
        await w.settled()
    assert len(order) == 10
    assert all(len(ids) == 5 and ids == sorted(ids) for ids in order.values())
