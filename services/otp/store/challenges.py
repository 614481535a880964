"""Challenges in Valkey: each step is one script, and reads are one command."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson

from services.otp.domain.challenge import Answer, DeliveryStatus, Glimpse, Opening, Place, Proof, Reply
from services.otp.domain.codes import Candidate
from services.otp.domain.policy import milliseconds, moment_of
from services.otp.store.scripts import Scripts
from shared.events import Fingerprints, Outcome, Result
from shared.telemetry import is_recorded, link_to
from shared.valkey import Valkey, valkey_errors

Json = dict[str, Any]


class ValkeyChallenges:
    """The port `Challenges` on Valkey."""

    def __init__(self, valkey: Valkey, scripts: Scripts) -> None:
        """Of one server."""
        self._valkey = valkey
        self._scripts = scripts

    async def open(self, opening: Opening, now: datetime) -> str:
        """opened, expired, known, ended or erased."""
        return await self._scripts.run(
            "open",
            now,
            challenge=str(opening.challenge),
            organisation=str(opening.organisation),
            appointment=str(opening.appointment),
            cycle=opening.cycle,
            version=opening.version,
            not_after=milliseconds(opening.not_after),
            mode=opening.mode,
            kid=opening.kid,
            handle=opening.handle_hash,
            fingerprints=opening.fingerprints,
            counter=opening.counter,
            candidates=_plain(opening.candidates),
            asking=opening.asking,
            page=opening.page,
            causation=str(opening.causation),
        )

    async def close(self, appointment: UUID, version: int, causation: UUID, now: datetime) -> str:
        """closed, known or erased."""
        return await self._scripts.run(
            "close", now, appointment=str(appointment), version=version, causation=str(causation)
        )

    async def erase(
        self, appointments: Sequence[UUID], fingerprints: Sequence[str], causation: UUID, now: datetime
    ) -> str:
        """erased."""
        return await self._scripts.run(
            "erase",
            now,
            appointments=[str(appointment) for appointment in appointments],
            fingerprints=list(fingerprints),
            causation=str(causation),
        )

    async def view(self, handle_hash: str, request: str, now: datetime) -> Glimpse | None:
        """What the page shows; None: no such handle."""
        await self._link_of(handle_hash)
        seen: Json | None = orjson.loads(await self._scripts.run("view", now, handle=handle_hash, request=request))
        if seen is None:
            return None
        return Glimpse(
            challenge=UUID(seen["id"]),
            appointment=UUID(seen["appointment"]),
            cycle=int(seen["cycle"]),
            is_open=seen["open"],
            not_after=moment_of(seen["not_after"]),
            has_code=seen["open"] and seen["code_not_after"] > milliseconds(now),
            code_not_after=moment_of(seen["code_not_after"]),
            asked_before=seen["codes"] > 0,
            guesses_left=int(seen["guesses"]),
            sends_left=int(seen["sends_left"]),
            ask_at=moment_of(seen["ask_at"]),
            asking=seen["asking"],
            page=seen["page"],
            answer=_answer(orjson.loads(seen["answer"])) if seen["answer"] else None,
        )

    async def ask(self, handle_hash: str, request: str, candidates: Sequence[Candidate], now: datetime) -> Answer:
        """sent, wait, limit, over or stale."""
        await self._link_of(handle_hash)
        answer = await self._scripts.run("ask", now, handle=handle_hash, request=request, candidates=_plain(candidates))
        return _answer(orjson.loads(answer))

    async def verify(
        self, handle_hash: str, request: str, digests: Mapping[str, str], proof: Proof, now: datetime
    ) -> Answer:
        """verified, wrong, locked, code_expired, already or over."""
        await self._link_of(handle_hash)
        answer = await self._scripts.run(
            "verify",
            now,
            handle=handle_hash,
            request=request,
            digests=digests,
            proof=_stated(proof),
            via=proof.via,
        )
        return _answer(orjson.loads(answer))

    async def refuse(self, handle_hash: str, request: str, via: str, now: datetime) -> Answer:
        """refused, already, locked or over."""
        await self._link_of(handle_hash)
        answer = await self._scripts.run("refuse", now, handle=handle_hash, request=request, via=via)
        return _answer(orjson.loads(answer))

    async def judge(self, reply: Reply, now: datetime) -> Sequence[Outcome] | None:
        """The outcomes, the same for the same reply; None: stale candidates."""
        answer = await self._scripts.run(
            "reply",
            now,
            reply=str(reply.reply),
            conversation=str(reply.conversation),
            organisation=str(reply.organisation),
            causation=str(reply.causation),
            kind=reply.kind,
            via=reply.via,
            fingerprints=reply.fingerprints,
            challenge=str(reply.challenge) if reply.challenge else None,
            digests=reply.digests,
            act=reply.act,
            fresh=reply.fresh,
            proof=_stated(reply.proof) if reply.proof else None,
            candidates=_plain(reply.candidates),
        )
        if answer == "stale":
            return None
        outcomes = outcomes_of(orjson.loads(answer))
        await self._link([outcome.challenge_id for outcome in outcomes])
        return outcomes

    async def _link_of(self, handle_hash: str) -> None:
        """As `_link`, by handle."""
        if is_recorded():
            with valkey_errors():
                challenge = await self._valkey.get(f"otp:handle:{handle_hash}")
            await self._link([UUID(str(challenge))] if challenge else [])

    async def _link(self, challenges: Sequence[UUID]) -> None:
        """What a person does now goes back to the traces in which these challenges were opened, perhaps days ago."""
        if is_recorded():
            for challenge in challenges:
                with valkey_errors():
                    trace = await self._valkey.hget(f"otp:challenge:{challenge}", "trace")
                link_to(str(trace) if trace else None)

    async def place(self, challenge: UUID) -> Place | None:
        """Kid, n and fingerprints of a challenge; None: unknown or erased."""
        with valkey_errors():
            kid, n, fingerprints = await self._valkey.hmget(f"otp:challenge:{challenge}", ["kid", "n", "fingerprints"])
        if not (kid and n and fingerprints):
            return None
        known: Fingerprints = orjson.loads(fingerprints)
        return Place(str(kid), int(n), known)

    async def place_of(self, handle_hash: str) -> tuple[UUID, Place] | None:
        """The same by handle."""
        with valkey_errors():
            challenge = await self._valkey.get(f"otp:handle:{handle_hash}")
        if not challenge:
            return None
        place = await self.place(UUID(str(challenge)))
        return (UUID(str(challenge)), place) if place else None

    async def note(
        self, challenge: UUID, attempt: int, *, version: int, status: DeliveryStatus, at: datetime, now: datetime
    ) -> str:
        """noted, scheduled, known, over or unknown challenge."""
        return await self._scripts.run(
            "delivery",
            now,
            challenge=str(challenge),
            attempt=attempt,
            version=version,
            status=status,
            at=milliseconds(at),
        )

    async def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Things whose time has come, the oldest first."""
        with valkey_errors():
            items = await self._valkey.zrange("otp:due", "-inf", milliseconds(now), byscore=True, offset=0, num=limit)
        return [str(item) for item in cast("list[object]", items)]

    async def sweep(self, item: str, candidates: Sequence[Candidate], now: datetime) -> str:
        """What was done: sent, over, stale, not due, or what is in the way."""
        return await self._scripts.run("sweep", now, item=item, candidates=_plain(candidates))

    async def stated_since(self, since: datetime) -> Sequence[UUID]:
        """Challenges that stated something since then, oldest first."""
        with valkey_errors():
            ids = await self._valkey.zrange("otp:index", milliseconds(since), "+inf", byscore=True)
        return [UUID(str(found)) for found in cast("list[object]", ids)]

    async def republish(self, challenge: UUID, now: datetime) -> int:
        """How many events were stated again."""
        return int(await self._scripts.run("republish", now, challenge=str(challenge)))

    async def known_cluster(self) -> str | None:
        """The broker that was last told everything."""
        with valkey_errors():
            found = await self._valkey.get("otp:cluster")
        return str(found) if found else None

    async def remember_cluster(self, cluster: str, kept_seconds: int) -> None:
        """This broker has been told."""
        with valkey_errors():
            await self._valkey.set("otp:cluster", cluster, ex=kept_seconds)

    async def ping(self) -> None:
        """Raises Unavailable when Valkey does not answer."""
        with valkey_errors():
            await self._valkey.get("otp:ping")


def outcomes_of(judged: Json) -> tuple[Outcome, ...]:
    """The outcomes in a judged reply; an empty Lua table is an object in JSON."""
    return tuple(
        Outcome(
            challenge_id=UUID(each["challenge"]),
            appointment_id=UUID(each["appointment"]),
            result=Result(each["result"]),
            guesses_left=int(each["left"]) if each.get("left") is not None else None,
            retry_at=moment_of(each["at"]) if each.get("at") is not None else None,
        )
        for each in judged["outcomes"] or ()
    )


def _answer(found: Json) -> Answer:
    left, at, n = found.get("left"), found.get("at"), found.get("n")
    return Answer(
        result=found["result"],
        guesses_left=int(left) if left is not None else None,
        at=moment_of(at) if at is not None else None,
        final=bool(found.get("final")),
        n=int(n) if n is not None else None,
    )


def _plain(candidates: Sequence[Candidate]) -> list[Json]:
    return [{"n": each.n, "digest": each.digest, "phone": each.phone} for each in candidates]


def _stated(proof: Proof) -> Json:
    notice = {"version": proof.notice_version, "language": proof.language, "at": milliseconds(proof.at)}
    consent = notice if proof.name_consent else None
    return {"via": proof.via, "verified_at": milliseconds(proof.at), "notice": notice, "name_consent": consent}
