"""Use cases of asking and answering: open, close, erase, judge, note, and what the page does."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from services.otp.domain.challenge import (
    Answer,
    Challenges,
    Glimpse,
    Moved,
    Opening,
    Proof,
    Reply,
    StepFailed,
)
from services.otp.domain.codes import Candidate, Codes, counting_fingerprint, hash_of
from services.otp.domain.facts import asking_of, evidence_in, status_of
from services.otp.domain.page import Shown
from services.otp.domain.policy import Policy, contact_is_fresh, invitation_ends
from shared import ids
from shared.events import (
    AppointmentEnded,
    AppointmentInvited,
    CodeEvidence,
    DeliveryEvent,
    Evidence,
    Outcome,
    PersonErased,
    RefusalEvidence,
    ReplyReceived,
    Via,
)
from shared.seal import Sealer, about_appointment

_PAGE = TypeAdapter(dict[str, object])
_TRIES = 5
"""Reads of a challenge that keeps moving; each lost race is another's success."""
_DUE_AT_ONCE = 100


class Otp:
    """The service. `now` is an argument of every step."""

    def __init__(self, challenges: Challenges, codes: Codes, sealer: Sealer, policy: Policy) -> None:
        """Opens nothing."""
        self._challenges = challenges
        self._codes = codes
        self._sealer = sealer
        self._policy = policy

    async def open(self, event: AppointmentInvited, now: datetime) -> str:
        """Open the challenge of this cycle: opened, expired, known, ended or erased. Raises Unavailable."""
        challenge = ids.challenge_id(event.subject, event.cycle)
        kid = self._codes.newest
        return await self._challenges.open(
            Opening(
                challenge=challenge,
                organisation=event.organisation_id,
                appointment=event.subject,
                cycle=event.cycle,
                version=event.version,
                not_after=invitation_ends(event.not_after, event.at, self._policy),
                mode=event.mode,
                kid=kid,
                handle_hash=hash_of(self._codes.handle(kid, challenge)),
                fingerprints=event.fingerprints,
                counter=counting_fingerprint(event.fingerprints),
                candidates=self._codes.candidates(kid, challenge, 0, event.fingerprints),
                asking=asking_of(event),
                page=event.for_otp,
                causation=event.event_id,
            ),
            now,
        )

    async def close(self, event: AppointmentEnded, now: datetime) -> str:
        """Close what is open: this wins over everything in flight. Raises Unavailable."""
        return await self._challenges.close(event.subject, event.version, event.event_id, now)

    async def erase(self, event: PersonErased, now: datetime) -> None:
        """Forget the person's links, page and contact, and refuse later events. Raises Unavailable."""
        fingerprints = [each for versions in event.fingerprints for each in versions.values()]
        await self._challenges.erase(event.appointment_ids, fingerprints, event.event_id, now)

    async def note(self, event: DeliveryEvent, now: datetime) -> None:
        """Keep what became of one of our messages. Raises Unavailable."""
        if event.challenge_id is None or event.template != "invitation":
            return
        await self._challenges.note(
            event.challenge_id, event.attempt, version=event.version, status=status_of(event), at=event.at, now=now
        )

    async def judge(self, event: ReplyReceived, now: datetime) -> tuple[Outcome, ...]:
        """Judge a reply once, the same answer however often it comes. Raises CannotOpen,
        BadEvidence, Unavailable, Moved."""
        opened = self._sealer.open(event.evidence, sender="notifier", subject=str(event.subject), field="evidence")
        evidence = evidence_in(opened)
        for _ in range(_TRIES):
            outcomes = await self._challenges.judge(await self._reply(event, evidence, now), now)
            if outcomes is not None:
                return tuple(outcomes)
        raise Moved

    async def _reply(self, event: ReplyReceived, evidence: Evidence, now: datetime) -> Reply:
        def reply(
            kind: Literal["code", "refusal", "tap"],
            *,
            challenge: UUID | None = None,
            digests: dict[str, dict[str, str]] | None = None,
            act: Literal["confirm", "refuse", "resend"] | None = None,
            fresh: bool = True,
            proof: Proof | None = None,
            candidates: list[Candidate] | None = None,
        ) -> Reply:
            return Reply(
                reply=event.subject,
                conversation=event.conversation_id,
                organisation=event.organisation_id,
                causation=event.event_id,
                kind=kind,
                via=event.via.value,
                fingerprints=evidence.fingerprints,
                challenge=challenge,
                digests=digests or {},
                act=act,
                fresh=fresh,
                proof=proof,
                candidates=candidates or (),
            )

        if isinstance(evidence, RefusalEvidence):
            return reply("refusal", digests=self._codes.phone_digests(evidence.fingerprints, evidence.code))
        consent = evidence.name_consent and event.via is not Via.SMS  # decision 27: by SMS never
        proof = Proof(event.via.value, now, evidence.notice_version, evidence.language, consent)
        if isinstance(evidence, CodeEvidence):
            digests = self._codes.phone_digests(evidence.fingerprints, evidence.code)
            return reply("code", challenge=evidence.challenge_id, digests=digests, proof=proof)
        return reply(
            "tap",
            challenge=evidence.challenge_id,
            act=evidence.act,
            fresh=contact_is_fresh(evidence.contact_shared_at, now, self._policy),
            proof=proof,
            candidates=await self._next(evidence.challenge_id) if evidence.act == "resend" else None,
        )

    def reveal(self, glimpse: Glimpse) -> Shown:
        """What the registry sealed for the page. Raises CannotOpen."""
        subject = about_appointment(glimpse.appointment, glimpse.cycle)
        page = self._sealer.open(glimpse.page, sender="registry", subject=subject, field="page")
        return Shown.model_validate({**orjson.loads(glimpse.asking), **_PAGE.validate_python(page)})

    async def view(self, handle: str, request: str, now: datetime) -> Glimpse | None:
        """What the page of this link shows, and what became of its request; None: no such link."""
        return await self._challenges.view(hash_of(handle), request, now)

    async def ask(self, handle: str, request: str, now: datetime) -> Answer:
        """Send a code: sent, or wait / limit with the time, or over. Raises Unavailable, Moved."""
        hashed = hash_of(handle)
        for _ in range(_TRIES):
            found = await self._challenges.place_of(hashed)
            if found is None:
                return Answer("over")
            challenge, place = found
            candidates = self._codes.candidates(place.kid, challenge, place.n, place.fingerprints)
            answer = await self._challenges.ask(hashed, request, candidates, now)
            if answer.result != "stale":
                return answer
        raise Moved

    async def verify(
        self, handle: str, request: str, code: str, *, language: str, notice: str, consent: bool, now: datetime
    ) -> Answer:
        """Compare a code of six digits and accept the post. The same `request` is charged once and answered again."""
        hashed = hash_of(handle)
        proof = Proof(Via.WEB.value, now, notice, language, consent)
        return await self._challenges.verify(hashed, request, self._codes.guess_digests(hashed, code), proof, now)

    async def refuse(self, handle: str, request: str, now: datetime) -> Answer:
        """This is not me. Whoever holds the link holds the phone."""
        return await self._challenges.refuse(hash_of(handle), request, Via.WEB.value, now)

    async def sweep(self, now: datetime) -> int:
        """Do what is due: invitations over, messages of unknown outcome, messages that waited. How many were done."""
        return sum([await self._sweep(item, now) for item in await self._challenges.due(now, _DUE_AT_ONCE)])

    async def _sweep(self, item: str, now: datetime) -> bool:
        for _ in range(_TRIES):
            kind, challenge, *_rest = item.split(":")
            candidates = await self._next(UUID(challenge)) if kind == "send" else None
            try:
                done = await self._challenges.sweep(item, candidates or [], now)
            except StepFailed:  # said in the log; the others are not held up
                return False
            if done != "stale":
                return done != "not due"
        return False

    async def _next(self, challenge: UUID) -> list[Candidate] | None:
        place = await self._challenges.place(challenge)
        return self._codes.candidates(place.kid, challenge, place.n, place.fingerprints) if place else None

    async def republish(self, since: datetime, now: datetime) -> int:
        """State again what was stated since then, and what may still be sent: the broker has lost it (decision 22).
        How many events."""
        return sum([await self._challenges.republish(each, now) for each in await self._challenges.stated_since(since)])

    async def meet_broker(self, cluster: str, now: datetime) -> int:
        """State everything that is kept again to a broker that replaced the known one. How many events."""
        known = await self._challenges.known_cluster()
        stated = 0
        if known is not None and known != cluster:
            stated = await self.republish(now - timedelta(seconds=self._policy.kept), now)
        await self._challenges.remember_cluster(cluster, self._policy.kept)
        return stated
