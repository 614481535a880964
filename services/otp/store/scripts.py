"""Runs one Lua script per step on Valkey."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import orjson
import structlog
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError

from services.otp.domain.challenge import StepFailed
from services.otp.domain.policy import Policy, milliseconds
from shared.telemetry import current_trace
from shared.valkey import Valkey, valkey_errors

log = structlog.get_logger(__name__)

_FAULT = re.compile(r"(?:ERR )?user_script:(\d+): ")
"""How Valkey begins the error of a script's own fault; errors of its commands begin with theirs (OOM, READONLY ...)."""

FOLDER = Path(__file__).parent.parent / "lua"


class Scripts:
    """The steps by name. A script's whole argument is JSON: now, policy, trace, and what the step needs."""

    def __init__(self, valkey: Valkey, policy: Policy, folder: Path = FOLDER) -> None:
        """Reads the folder's scripts; `lib.lua` goes before each."""
        prelude = (folder / "lib.lua").read_text(encoding="utf-8")
        self._scripts: dict[str, AsyncScript] = {
            path.stem: valkey.register_script(prelude + path.read_text(encoding="utf-8"))
            for path in sorted(folder.glob("*.lua"))
            if path.stem != "lib"
        }
        self._policy = policy.for_scripts()

    async def run(self, step: str, now: datetime, **arguments: object) -> str:
        """Run a step; its answer as it came. Raises Unavailable."""
        fields: Mapping[str, object] = {
            "now": milliseconds(now),
            "policy": self._policy,
            "trace": current_trace.get() or "",
            **arguments,
        }
        with valkey_errors():
            try:
                answer = await self._scripts[step](args=[orjson.dumps(fields)])
            except ResponseError as error:
                if (place := _FAULT.match(str(error))) is None:
                    raise
                log.error("step failed", step=step, line=int(place[1]))  # noqa: TRY400 # the text may show a value
                raise StepFailed(step=step, line=int(place[1])) from None
        return str(answer)
