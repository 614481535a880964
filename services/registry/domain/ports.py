"""What the use cases need from storage: one transaction, in the words of the domain."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.registry.domain.commands import Answer, Once, UnitQuery
from services.registry.domain.hearing import OfChallenge, OfMessage, Shown
from services.registry.domain.importing import Counts, Job, KeptReject, KnownUnit, UnitChunk
from services.registry.domain.preset import Preset
from services.registry.domain.principal import Principal
from services.registry.domain.recording import Asked, Found, Placing, Site
from services.registry.domain.records import (
    Announcement,
    Appointment,
    Channel,
    Contact,
    Delivery,
    Entry,
    Gender,
    Holder,
    Organisation,
    Post,
    Recipient,
    Seat,
    TimelineEntry,
    Told,
    Unit,
    UnitLine,
)
from services.registry.domain.sheet import Header, Row
from services.registry.domain.states import Heard
from shared.errors import Failure
from shared.events import AppointmentRecorded, Event, Fingerprints, Language


class Units(Protocol):
    """Organisation, catalogue, tree, channels."""

    async def organisation(self, organisation_id: UUID) -> Organisation:
        """The organisation."""

    async def install(self, organisation_id: UUID, preset: Preset, now: datetime) -> None:
        """Create organisation, levels, posts and rules of `preset` where they are missing."""

    async def by_code(self, organisation_id: UUID, code: str) -> Unit | None:
        """The unit with this code."""

    async def by_id(self, unit_id: UUID) -> Unit:
        """The unit."""

    async def within(self, unit_id: UUID, scope: UUID) -> bool:
        """Whether the unit is `scope` or below it."""

    async def levels(self, organisation_id: UUID) -> Sequence[str]:
        """Codes of the levels from the top."""

    async def posts(self, organisation_id: UUID, level: str) -> Sequence[Post]:
        """The level's posts in order."""

    async def women_minimum(self, organisation_id: UUID, level: str) -> int | None:
        """Women that a committee of this level needs."""

    async def seats(self, unit_id: UUID) -> Sequence[Seat]:
        """The held seats."""

    async def search(self, organisation_id: UUID, query: UnitQuery, scope: UUID | None) -> Sequence[UnitLine]:
        """Units by code."""

    async def set_channel(self, organisation_id: UUID, unit_id: UUID, chat_id: int | None, now: datetime) -> None:
        """Set or, with None, forget the unit's Telegram channel."""

    async def nearest_channel(self, unit_id: UUID) -> Channel | None:
        """The unit's channel, else the one of the nearest unit above."""


class People(Protocol):
    """Persons, their phones, their subscriptions."""

    async def alone_with(self, fingerprints: Fingerprints) -> None:
        """Let no other transaction look this phone up until this one ends."""

    async def alone_with_person(self, person_id: UUID) -> None:
        """The same for every phone of a person: nobody records them meanwhile."""

    async def holders(self, organisation_id: UUID, fingerprints: Fingerprints) -> Sequence[Holder]:
        """Everybody who is recorded with this phone."""

    async def add(
        self, organisation_id: UUID, holder: Holder, gender: Gender | None, language: Language, now: datetime
    ) -> None:
        """A new person with a contact."""

    async def add_contact(self, organisation_id: UUID, contact: Contact, now: datetime) -> None:
        """Another phone of a person."""

    async def holder(self, person_id: UUID, contact_id: UUID) -> Holder | None:
        """A person and one of their phones; None once erased."""

    async def subscribe(self, organisation_id: UUID, unit_id: UUID, holder: Holder, now: datetime) -> None:
        """Tell this person about the unit and all below it."""

    async def unsubscribe(self, unit_id: UUID, person_ids: Sequence[UUID]) -> int:
        """Stop that; returns how many were subscribed."""

    async def audience(self, unit_id: UUID, without: UUID, after: UUID, limit: int) -> Sequence[Recipient]:
        """Subscribers of the unit and of all units above, each once, without one person: the next `limit` after this
        person, by id."""

    async def audience_size(self, unit_id: UUID, without: UUID) -> int:
        """How many these are."""

    async def recipient(self, person_id: UUID, contact_id: UUID) -> Recipient | None:
        """One person, to be told something; None once erased."""

    async def fingerprints_to_forget(self, person_id: UUID) -> Sequence[Fingerprints]:
        """Those of the person's phones that nobody else holds."""

    async def erase(self, person_id: UUID, now: datetime) -> None:
        """Forget name, gender, phones and subscriptions."""

    async def not_found_under(self, kid: str, limit: int) -> Sequence[Contact]:
        """Phones that have no fingerprint of this key version yet."""

    async def add_fingerprints(self, found: Sequence[tuple[UUID, str, str]]) -> None:
        """More fingerprints of contacts: (contact, key version, fingerprint)."""

    async def exists(self, organisation_id: UUID, person_id: UUID) -> bool:
        """Whether there is such a person who is not erased."""


class Appointments(Protocol):
    """Appointments, seats, timeline, deliveries."""

    async def retake_seat(self, appointment: Appointment, seats: int) -> int | None:
        """Update an appointment that had freed its seat: on its old ordinal if free, else on the first free one."""

    async def save(self, appointment: Appointment) -> None:
        """Update the changing parts: state, cycle, version, contact, times, consent."""

    async def save_all(self, appointments: Sequence[Appointment]) -> None:
        """The same for many."""

    async def locked(self, organisation_id: UUID, appointment_id: UUID) -> Appointment | None:
        """The appointment, locked until the transaction ends."""

    async def get(self, organisation_id: UUID, appointment_id: UUID) -> Appointment | None:
        """The appointment."""

    async def locked_all(self, ids: Collection[tuple[UUID, UUID]]) -> Mapping[UUID, Appointment]:
        """Those of (organisation, appointment) that are there, by id, locked until the transaction ends."""

    async def seat_holder(self, unit_id: UUID, post: str) -> UUID | None:
        """An appointment that holds a seat of this post."""

    async def of_person(self, person_id: UUID) -> Sequence[Appointment]:
        """All of a person, locked."""

    async def open_challenge(self, appointment: Appointment, challenge_id: UUID) -> None:
        """A cycle begins."""

    async def challenge_contact(self, challenge_id: UUID) -> UUID | None:
        """Which phone was asked."""

    async def note(
        self, appointment: Appointment, kind: str, at: datetime, details: dict[str, object] | None = None
    ) -> None:
        """A timeline entry, and a change that open pages hear of."""

    async def note_all(self, entries: Sequence[Entry]) -> None:
        """The same for many."""

    async def timeline(self, appointment_id: UUID) -> Sequence[TimelineEntry]:
        """What happened, oldest first."""

    async def deliveries(self, appointment_id: UUID) -> Sequence[Delivery]:
        """The messages about it, oldest first."""

    async def announced(self, appointment_id: UUID) -> Sequence[Told]:
        """The messages that announced it, by channel and state."""

    async def changed(self, organisation_id: UUID, unit_id: UUID | None, kind: str, at: datetime) -> None:
        """A change that open pages hear of, without an appointment."""


class Recordings(Protocol):
    """Recording many appointments at once."""

    async def alone_with(self, fingerprints: Collection[str]) -> None:
        """Let no other transaction look these phones up until this one ends."""

    async def sites(self, asked: Sequence[Asked]) -> Sequence[Site | None]:
        """Where each would stand; None: no such unit."""

    async def people(self, asked: Sequence[Asked]) -> Sequence[Sequence[Found]]:
        """Everybody who is recorded with each one's phone."""

    async def by_references(self, asked: Sequence[Asked]) -> Mapping[tuple[UUID, str], Appointment]:
        """The appointments with the references that are named, by organisation and reference."""

    async def by_import_keys(
        self, keys: Mapping[int, tuple[UUID, str, Collection[str], UUID | None]]
    ) -> Mapping[int, Appointment]:
        """The newest appointment by (unit, post, fingerprints, person or None), under the key's number, in whatever
        state."""

    async def place(self, placings: Sequence[tuple[Placing, AppointmentRecorded]]) -> Collection[UUID]:
        """Write appointments, persons, challenges, timeline, changes and events; the ids of those whose seat was still
        free."""

    async def complete(self, placings: Sequence[Placing]) -> None:
        """Fill in what was not known of these persons."""


class Hearings(Protocol):
    """What otp and the notifier state, many at once, each kept once by its version."""

    async def hear_all(self, heard: Sequence[tuple[UUID, int, Heard, datetime]]) -> Collection[UUID]:
        """Note what otp states (challenge, version, state, time), each challenge once; those whose version is new."""

    async def note_opened(self, opened: Sequence[OfChallenge]) -> Collection[UUID]:
        """Note that these challenges are open, each once, with their timelines, in one statement; the appointments that
        are there."""

    async def state_deliveries(self, stated: Sequence[OfMessage]) -> Mapping[UUID, Shown]:
        """Note the states of messages, each once and if its version is new, with the timelines of those that are shown,
        in one statement. What of the appointments of these must be known, by message."""


class Announcements(Protocol):
    """Announcements under way."""

    async def keep(self, announcement: Announcement) -> None:
        """It goes on after this person."""

    async def claim(self) -> Announcement | None:
        """One that no other process has in hand, until the transaction ends."""

    async def end(self, announcement: Announcement) -> None:
        """Everybody has been told."""


class Outbox(Protocol):
    """Events to be published, in the same transaction as what they state."""

    async def add(self, events: Sequence[Event], about: Sequence[UUID] = ()) -> None:
        """Keep `events`; `about`: persons whose sealed fields they hold. A known event id is kept once."""

    async def add_all(self, events: Sequence[tuple[Event, Sequence[UUID]]], trace: str | None) -> None:
        """The same for many, each with its persons, in one go; `trace`: the context that they belong to."""

    async def forget(self, person_id: UUID) -> None:
        """Delete the events that hold sealed fields of this person."""

    async def again(self, since: datetime) -> int:
        """Publish again what was published since then; returns how many."""


class Access(Protocol):
    """Accounts, keys, sign-in links, sessions, repeated requests."""

    async def principals_of_keys(self, key_hashes: Collection[bytes]) -> Mapping[bytes, Principal]:
        """The accounts behind API keys that are not revoked, by the key's hash."""

    async def account(self, organisation_id: UUID, name: str) -> Principal | None:
        """The account with this name."""

    async def open_account(self, principal: Principal, now: datetime) -> None:
        """A new account."""

    async def add_key(self, principal: Principal, key_hash: bytes, now: datetime) -> None:
        """An API key with all permissions of its account."""

    async def add_sign_in(self, principal: Principal, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """A one-time sign-in link."""

    async def use_sign_in(self, token_hash: bytes, now: datetime) -> Principal | None:
        """Consume a sign-in link; None when it is unknown, used or too old."""

    async def add_session(self, principal: Principal, token_hash: bytes, now: datetime, expires_at: datetime) -> None:
        """A portal session."""

    async def session(self, token_hash: bytes, now: datetime, expires_at: datetime) -> Principal | None:
        """The account of a session that is alive, which then lasts until `expires_at`."""

    async def end_session(self, token_hash: bytes) -> None:
        """Sign out."""

    async def claim(self, principal: Principal, once: Once, now: datetime) -> Answer | None:
        """Claim a key for this request: None, or the answer that the first request got. Waits for a request with the
        same key that is under way. Raises KeyReused."""

    async def answer(self, principal: Principal, once: Once, answer: Answer) -> None:
        """Keep what the claimed request answers."""

    async def release(self, principal: Principal, once: Once) -> None:
        """Give a claimed key back: its request failed and may be repeated."""


class Upload(Protocol):
    """A table that was sent."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def position(self) -> int:
        """Bytes read."""

    async def header(self) -> Header:
        """The first row that is not empty, and the encoding. Raises NotText, EmptyFile, Unreadable."""

    async def rows(self, at_most: int) -> Sequence[Row]:
        """The next rows; none at the end. Raises Unreadable, NotText."""


class Imports(Protocol):
    """Import jobs, and units in bulk."""

    async def add(self, job: Job, principal: Principal) -> None:
        """A new job."""

    async def get(self, principal: Principal, job_id: UUID) -> Job | None:
        """The job, if this principal may see it."""

    async def recent(self, principal: Principal, limit: int) -> Sequence[Job]:
        """The newest jobs that this principal may see."""

    async def read_as(self, job_id: UUID, header: Header) -> None:
        """Keep how the file was read."""

    async def progress(self, job_id: UUID, counts: Counts, now: datetime) -> None:
        """Keep how far it is: also a sign of life."""

    async def finish(self, job_id: UUID, failure: Failure | None, now: datetime) -> None:
        """It is done, or failed."""

    async def abandon(self, silent_since: datetime, now: datetime) -> int:
        """Jobs whose process died are failed; returns how many."""

    async def reject(self, job_id: UUID, rejects: Sequence[KeptReject]) -> None:
        """Keep rejected rows."""

    async def rejects(self, job_id: UUID, after: tuple[int, int], limit: int) -> Sequence[KeptReject]:
        """Rejects in order of rows, after (row, problem)."""

    async def reject_counts(self, job_id: UUID) -> Mapping[str, int]:
        """How many rejects of each code, the most frequent first."""

    async def known_units(self, organisation_id: UUID, codes: Collection[str], job: Job) -> dict[str, KnownUnit]:
        """Units by code. Others wait until this transaction ends before they import units."""

    async def add_units(self, organisation_id: UUID, job: Job, chunk: UnitChunk) -> None:
        """Write what the chunk adds and renames."""


class Work(Protocol):
    """One transaction: committed when its block is left, rolled back when it raises."""

    @property
    def units(self) -> Units:
        """Organisation, catalogue, tree, channels."""

    @property
    def people(self) -> People:
        """Persons, their phones, their subscriptions."""

    @property
    def appointments(self) -> Appointments:
        """Appointments, seats, timeline, deliveries."""

    @property
    def recording(self) -> Recordings:
        """Recording many appointments at once."""

    @property
    def hearing(self) -> Hearings:
        """What otp and the notifier state."""

    @property
    def announcements(self) -> Announcements:
        """Announcements under way."""

    @property
    def outbox(self) -> Outbox:
        """Events to be published."""

    @property
    def access(self) -> Access:
        """Who may do what."""

    @property
    def imports(self) -> Imports:
        """Import jobs, and units in bulk."""


class Store(Protocol):
    """Where transactions come from."""

    def transaction(self) -> AbstractAsyncContextManager[Work]:
        """A transaction. Raises DatabaseUnavailable. Wakes relay and pages when events or changes are committed."""

    def glance(self) -> AbstractAsyncContextManager[Work]:
        """Single statements, each committed on its own, at a third of the cost. Raises DatabaseUnavailable. Wakes as
        `transaction` does."""
