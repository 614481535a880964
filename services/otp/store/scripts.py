"""Runs one Lua script per step on Valkey; steps that are asked for together share a round trip."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.otp.domain.challenge import StepFailed
from services.otp.domain.policy import Policy, milliseconds
from shared.batching import Batcher
from shared.telemetry import current_trace
from shared.valkey import Valkey, ValkeyUnavailable, valkey_errors

log = structlog.get_logger(__name__)

_FAULT = re.compile(r"(?:ERR )?user_script:(\d+): ")
"""How Valkey begins the error of a script's own fault; errors of its commands begin with theirs (OOM, READONLY ...)."""

FOLDER = Path(__file__).parent.parent / "lua"
AT_ONCE = 64
"""Steps in one round trip: each takes Valkey some 0.3 ms, and a person's page waits behind them."""


@dataclass(frozen=True, slots=True)
class _Call:
    """One run of a script."""

    step: str
    argument: bytes = field(repr=False)


class Scripts:
    """The steps by name. A script's whole argument is JSON: now, policy, trace, and what the step needs."""

    def __init__(self, valkey: Valkey, policy: Policy, folder: Path = FOLDER) -> None:
        """Reads the folder's scripts; `lib.lua` goes before each."""
        prelude = (folder / "lib.lua").read_text(encoding="utf-8")
        self._valkey = valkey
        self._scripts: dict[str, AsyncScript] = {
            path.stem: valkey.register_script(prelude + path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*.lua"))
            if path.stem != "lib"
        }
        self._policy = policy.for_scripts()
        self._together = Batcher(self._run_all, limit=AT_ONCE)

    async def run(self, step: str, now: datetime, **arguments: object) -> str:
        """Run a step; its answer as it came. Raises Unavailable."""
        fields: Mapping[str, object] = {
            "now": milliseconds(now),
            "policy": self._policy,
            "trace": current_trace.get() or "",
            **arguments,
        }
        return await self._together(_Call(step, orjson.dumps(fields)))

    async def _run_all(self, calls: Sequence[_Call]) -> Sequence[str | Exception]:
        """In the order given. Each is a script of its own: one that fails leaves the others alone."""
        with valkey_errors():
            pipeline = self._valkey.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(self._scripts[call.step].sha, 0, call.argument)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            answers = await self._load_and_run(calls, answers)
        return [_answer(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _load_and_run(self, calls: Sequence[_Call], answers: Sequence[Any]) -> list[Any]:
        """A server that was just started knows no script; what it did not know, it did not run."""
        again: list[Any] = []
        for call, answer in zip(calls, answers, strict=True):
            if not isinstance(answer, NoScriptError):
                again.append(answer)
                continue
            with valkey_errors():
                try:
                    again.append(await self._scripts[call.step](args=[call.argument]))
                except ResponseError as error:
                    again.append(error)
        return again


def _answer(call: _Call, answer: object) -> str | Exception:
    if not isinstance(answer, Exception):
        return str(answer)
    if isinstance(answer, ResponseError) and (place := _FAULT.match(str(answer))) is not None:
        log.error("step failed", step=call.step, line=int(place[1]))  # the error's text may show a value
        return StepFailed(step=call.step, line=int(place[1]))
    if isinstance(answer, RedisError | OSError):
        failure = ValkeyUnavailable()
        failure.__cause__ = answer
        return failure
    return answer
