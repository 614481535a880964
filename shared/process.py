"""A service's process: its main coroutine, and an exit code that a supervisor understands."""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Coroutine, Iterator
from typing import NoReturn

import structlog
import uvloop

from shared.errors import EX_TEMPFAIL, Failure

CRASHED = 1
"""Exit code after an error that nobody foresaw."""
BLOCKED_SECONDS = 60
"""An event loop that does not turn for so long answers nobody: its sessions with Kafka ended after 30 s."""
_LAST_SECONDS = 5.0

log = structlog.get_logger(__name__)


def run(main: Coroutine[object, object, None], *, blocked_seconds: int = BLOCKED_SECONDS) -> None:
    """Run `main` on uvloop to its end. Ends the process with exit code 0 when it returns, with the failure's own when
    one is raised, with 1 on any other error, and with 75 when the event loop stands still (a handler that blocks) or a
    task does not end when everything else has. The causes are logged."""
    if code := uvloop.run(_to_its_end(main, blocked_seconds)):
        sys.exit(code)


async def _to_its_end(main: Coroutine[object, object, None], blocked_seconds: int) -> int:
    guard = _LoopGuard(blocked_seconds)
    try:
        await main
    except Exception as error:  # noqa: BLE001 # the last line of defence: whatever it is, it becomes an exit code
        code = _told(error)
    else:
        code = 0
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest and (await asyncio.wait(rest, timeout=_LAST_SECONDS))[1]:
        log.critical("a task does not end", exit=code or EX_TEMPFAIL)
        _leave(code or EX_TEMPFAIL)
    guard.dismiss()
    return code


def _told(error: Exception) -> int:
    """Log every cause; the exit code of the first that says more than "crashed"."""
    codes = []
    for cause in _causes(error):
        code = cause.exit_code if isinstance(cause, Failure) else CRASHED
        codes.append(code)
        if isinstance(cause, Failure):
            log.critical("process ends", error_code=cause.code, reason=cause.message, exit=code)
        else:
            log.critical("process crashed", error=type(cause).__name__, exit=code, exc_info=cause)
    return next((code for code in codes if code != CRASHED), CRASHED)


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


class _LoopGuard:
    """A thread that ends the process when the event loop stands still. It counts its own seconds instead of reading
    the clock, so that a process that was suspended with all its threads is not taken for a blocked one."""

    def __init__(self, seconds: int) -> None:
        """Begins at once, in the running loop."""
        self._seconds = seconds
        self._heard = threading.Event()
        self._dismissed = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._beat()
        threading.Thread(target=self._listen, name="loop guard", daemon=True).start()

    def dismiss(self) -> None:
        """The loop ends as it should."""
        self._dismissed.set()

    def _beat(self) -> None:
        self._heard.set()
        self._loop.call_later(1, self._beat)

    def _listen(self) -> None:
        silent = 0
        while silent < self._seconds:
            if self._dismissed.wait(1):
                return
            silent = 0 if self._heard.is_set() else silent + 1
            self._heard.clear()
        log.critical("event loop is blocked", exit=EX_TEMPFAIL)
        faulthandler.dump_traceback()  # files and lines, no values
        _leave(EX_TEMPFAIL)


def _leave(code: int) -> NoReturn:
    """At once: what does not end by itself would hold up an orderly end for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
