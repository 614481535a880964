"""Recording appointments: what comes together is decided and written together, in one transaction."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from services.registry.domain.commands import Answer, Once, Record
from services.registry.domain.failures import DatabaseUnavailable, KeyReused, SeatTaken
from services.registry.domain.phonebook import Phone, Phonebook
from services.registry.domain.ports import Store, Work
from services.registry.domain.principal import Permission, Principal
from services.registry.domain.recording import (
    Asked,
    Found,
    Placing,
    Seats,
    answer_of,
    check_reference,
    import_person,
    place,
    round_of,
    scene_at,
)
from services.registry.domain.records import Appointment, Post, Unit
from services.registry.domain.statements import Scene, Statements
from shared.batching import Batcher
from shared.errors import Failure, Unavailable
from shared.events import AppointmentRecorded
from shared.telemetry import current_trace, fan_out

Result = Answer | Exception

AT_ONCE = 100
"""Recordings in one transaction: sealing them takes some 20 ms, in which nothing else is done."""
_LOOKS = 20
"""Each look after the first has lost a seat to somebody else."""


class Recording:
    """Records appointments."""

    def __init__(self, store: Store, statements: Statements, phonebook: Phonebook) -> None:
        """Nothing is opened."""
        self._store = store
        self._statements = statements
        self._phonebook = phonebook
        self._together = Batcher(self._all, limit=AT_ONCE)

    async def record(self, principal: Principal, command: Record, once: Once | None, now: datetime) -> Answer:
        """Record an appointment on the first free seat of its post; its person will be asked. A repeated request
        (`once`) gets the answer of the first one. What others ask meanwhile shares its transaction, and each fails
        alone.

        Raises NotPermitted, OutOfScope, KeyReused, UnknownUnit, UnknownPost, SeatTaken, PhoneShared, RefTaken, and what
        `Phonebook.read` raises: the input at fault is named, and nothing is kept."""
        principal.require(Permission.RECORD if not command.unchanged_if_known else Permission.IMPORT)
        phone = self._phonebook.read(command.phone)
        return await self._together(Asked(principal, command, phone, now, once, current_trace.get()))

    async def record_all(
        self, principal: Principal, commands: Sequence[tuple[Record, Phone]], now: datetime
    ) -> Sequence[Result]:
        """The same for the rows of an import, in order, each with its phone as read: answers and failures."""
        principal.require(Permission.IMPORT)
        asked = [Asked(principal, row, phone, now, None, fan_out("import row")) for row, phone in commands]
        return await self._all(asked)

    async def _all(self, asked: Sequence[Asked]) -> Sequence[Result]:
        left, results = dict(enumerate(asked)), dict[int, Result]()
        while left:
            taken = {number: left.pop(number) for number in round_of(left)[:AT_ONCE]}
            results |= await self._each(taken)
        return [results[number] for number in range(len(asked))]

    async def _each(self, asked: Mapping[int, Asked]) -> dict[int, Result]:
        """One round in one transaction; where that fails for a reason in one of them, each in its own."""
        try:
            async with self._store.transaction() as work:
                return await self._round(work, asked)
        except (Unavailable, OSError) as error:
            return dict.fromkeys(asked, error)
        except Exception as error:  # noqa: BLE001 # told to whom it belongs
            if len(asked) == 1:
                return dict.fromkeys(asked, error)
        results: dict[int, Result] = {}
        for number, one in asked.items():
            results |= await self._each({number: one})
        return results

    async def _round(self, work: Work, asked: Mapping[int, Asked]) -> dict[int, Result]:
        fingerprints = {each for one in asked.values() for each in one.phone.fingerprints.values()}
        await work.recording.alone_with(fingerprints)
        results: dict[int, Result] = await _answered_before(work, asked)
        for _ in range(_LOOKS):
            left = {number: one for number, one in asked.items() if number not in results}
            if not left:
                break
            results |= await self._look_and_write(work, left)
        await _remember(work, asked, results)
        if len(results) < len(asked):
            raise DatabaseUnavailable  # seats were taken and given back all the time: it passes
        return results

    async def _look_and_write(self, work: Work, asked: Mapping[int, Asked]) -> dict[int, Result]:
        """Results of all but those whose seat somebody else took meanwhile."""
        everyone = list(asked.values())
        sites = dict(zip(asked, await work.recording.sites(everyone), strict=True))
        found = dict(zip(asked, await work.recording.people(everyone), strict=True))
        results: dict[int, Result] = {}
        scenes: dict[int, Scene] = {}
        for number, one in asked.items():
            with _noted(results, number):
                scenes[number] = scene_at(one, sites[number])
        results |= await _known(work, asked, scenes, found)
        seats, placings = Seats(), dict[int, Placing]()
        for number, scene in scenes.items():
            site = sites[number]
            if number not in results and site is not None:
                with _noted(results, number):
                    placings[number] = place(
                        asked[number], scene, site, found[number], seats=seats, phonebook=self._phonebook
                    )
        return results | await self._write(work, placings)

    async def _write(self, work: Work, placings: Mapping[int, Placing]) -> dict[int, Result]:
        if not placings:
            return {}
        stated = [(placing, self._stated(placing)) for placing in placings.values()]
        written = await work.recording.place(stated)
        kept = {number: placing for number, placing in placings.items() if placing.appointment.id in written}
        await work.recording.complete([placing for placing in kept.values() if placing.completes])
        return {number: placing.answer for number, placing in kept.items()}

    def _stated(self, placing: Placing) -> AppointmentRecorded:
        event = self._statements.invited(AppointmentRecorded, placing.appointment, placing.scene, placing.holder)
        assert isinstance(event, AppointmentRecorded)
        return event


@contextmanager
def _noted(results: dict[int, Result], number: int) -> Iterator[None]:
    """A failure in the block is this one's result."""
    try:
        yield
    except Failure as failure:
        results[number] = failure


async def _known(
    work: Work, asked: Mapping[int, Asked], scenes: Mapping[int, Scene], found: Mapping[int, Sequence[Found]]
) -> dict[int, Result]:
    """What was recorded before (decision: import key), and references that are taken."""
    results: dict[int, Result] = {}
    known: dict[int, Appointment] = {}
    references = await work.recording.by_references([asked[number] for number in scenes])
    keys: dict[int, tuple[UUID, str, Collection[str], UUID | None]] = {}
    for number, scene in scenes.items():
        one = asked[number]
        if one.command.external_ref is not None:
            with _noted(results, number):
                before = check_reference(one, scene, references.get((one.organisation_id, one.command.external_ref)))
                known |= {number: before} if before else {}
        elif one.command.unchanged_if_known:
            possible, person = import_person(one, found[number])
            if possible:
                keys[number] = (scene.unit.id, scene.post.code, list(one.phone.fingerprints.values()), person)
    known |= await work.recording.by_import_keys(keys)
    return results | {
        number: answer_of(appointment, scenes[number], asked[number].phone.last3, created=False)
        for number, appointment in known.items()
    }


async def _answered_before(work: Work, asked: Mapping[int, Asked]) -> dict[int, Result]:
    """Claims the keys of repeated requests; what was answered to the first of each."""
    results: dict[int, Result] = {}
    keyed = [(one.once.key, number, one, one.once) for number, one in asked.items() if one.once]
    for _, number, one, once in sorted(keyed, key=lambda each: each[:2]):
        with _noted(results, number):
            earlier = await work.access.claim(one.principal, once, one.now)
            results |= {number: earlier} if earlier else {}
    return results


async def _remember(work: Work, asked: Mapping[int, Asked], results: Mapping[int, Result]) -> None:
    """Keeps the answers under their keys; a failure frees its key, so that the request may be repeated."""
    for number, one in asked.items():
        result = results.get(number)
        if one.once is None or isinstance(result, KeyReused):
            continue
        if isinstance(result, Answer):
            await work.access.answer(one.principal, one.once, result)
        else:
            await work.access.release(one.principal, one.once)


async def seat_taken(work: Work, unit: Unit, post: Post) -> SeatTaken:
    """The failure that names a way on: whose seat it is, by the appointment's id."""
    holder = await work.appointments.seat_holder(unit.id, post.code)
    return SeatTaken(field="post", post=post.code, unit=unit.code, appointment=str(holder) if holder else None)
