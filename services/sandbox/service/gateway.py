"""The Telegram Gateway at work: calls and signed reports of delivery."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from services.sandbox.domain.gateway import GatewayRefusal, Request, sign
from services.sandbox.domain.journal import Line
from services.sandbox.domain.params import Params
from services.sandbox.domain.world import World
from services.sandbox.service.deliveries import ATTEMPTS, Deliveries, Post, pause
from services.sandbox.service.outcome import Outcome


class Codes:
    """Answers Gateway calls and reports to the callback URL that a call names."""

    def __init__(
        self, world: Callable[[], World], now: Callable[[], float], post: Post, due: Deliveries, retry_first: float
    ) -> None:
        self._world, self._now, self._post, self._due, self._retry_first = world, now, post, due, retry_first

    def call(self, method: str, values: dict[str, Any], token: str) -> Outcome:
        """One call; the token that made it also signs its reports."""
        world, params = self._world(), Params(values)
        try:
            request, sent = world.gateway.call(method, params, self._now())
        except GatewayRefusal as refusal:
            outcome = Outcome(200, {"ok": False, "error": str(refusal)})
        else:
            outcome = Outcome(200, {"ok": True, "result": request.api()})
            if sent and request.callback:
                self._due.schedule(0.0, partial(self._report, request, token, 1))
        target = params.text("phone_number")
        world.log(Line.GATEWAY, method, target, values, at=self._now(), status=200, response=outcome.body)
        return outcome

    async def _report(self, request: Request, token: str, attempt: int) -> None:
        body, timestamp = request.api(), str(int(self._now()))
        signature = sign(token, timestamp, json.dumps(body).encode())
        headers = {"X-Request-Timestamp": timestamp, "X-Request-Signature": signature}
        answer = await self._post(request.callback, json=body, headers=headers)
        if not answer.taken and attempt < ATTEMPTS:
            self._due.schedule(pause(self._retry_first, attempt), partial(self._report, request, token, attempt + 1))
