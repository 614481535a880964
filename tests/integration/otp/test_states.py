"""Whatever order appointment events and answers come in, and however often: the states are the model's."""

from datetime import timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from shared import ids
from shared.events import (
    AppointmentInvited,
    ChallengeClosed,
    ChallengeEvent,
    ChallengeExpired,
    ChallengeOpened,
    MessageRequested,
    PersonErased,
)
from tests.integration.otp.model import Model
from tests.integration.otp.world import ORGANISATION, World, fingerprint, only, wrong_code

CYCLES = st.integers(1, 3)
STEPS = st.one_of(
    st.tuples(st.just("invite"), CYCLES),
    st.tuples(st.sampled_from(["confirm", "refuse", "wrong"]), CYCLES),
    st.tuples(st.just("end"), st.integers(2, 4)),
    st.tuples(st.just("sweep"), st.just(0)),
    st.tuples(st.sampled_from(["late", "erase"]), st.just(0)),
)


class Run:
    """One appointment on Valkey and in the model, side by side."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.model = Model()
        self.appointment = ids.new_id()
        self.phone = f"+91555{number:07}"
        self.invitations: dict[int, AppointmentInvited] = {
            cycle: world.recorded(self.appointment, phone=self.phone, cycle=cycle, version=cycle) for cycle in (1, 2, 3)
        }

    def challenge(self, cycle: int) -> UUID:
        """Its id."""
        return ids.challenge_id(self.appointment, cycle)

    async def step(self, name: str, number: int) -> None:
        """Do it in both."""
        world, model = self.world, self.model
        match name:
            case "invite":
                await world.otp.open(self.invitations[number], world.now)
                model.invited(number)
            case "confirm" | "refuse":
                await world.otp.judge(world.tap(name, self.challenge(number), self.phone), world.now)
                model.tapped(number, "verified" if name == "confirm" else "refused")
            case "wrong":
                code = wrong_code(world.codes.code("k1", self.challenge(number), 1))
                named = world.code_evidence(code, self.phone, challenge_id=str(self.challenge(number)))
                await world.otp.judge(world.reply(named), world.now)
                model.guessed_wrong(number)
            case "end":
                await world.otp.close(world.ended(self.appointment, number), world.now)
                model.ended(number)
            case "erase":
                await world.otp.erase(erased(world, self.appointment), world.now)
                model.erased()
            case "sweep":
                await world.otp.sweep(world.now)
                model.swept()
            case _:
                if not model.late:
                    world.later(days=7)
                model.late = True

    async def states(self) -> dict[int, str]:
        """As Valkey has them."""
        found = {c: await self.world.valkey.hget(f"otp:challenge:{self.challenge(c)}", "state") for c in (1, 2, 3)}
        return {cycle: str(state) for cycle, state in found.items() if state}


def erased(world: World, *appointments: UUID, phones: tuple[str, ...] = ()) -> PersonErased:
    """A person is erased."""
    return PersonErased(
        organisation_id=ORGANISATION,
        subject=ids.new_id(),
        version=1,
        at=world.now,
        appointment_ids=appointments,
        fingerprints=tuple({"v1": fingerprint(phone)} for phone in phones),
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=14), number=st.integers(0, 9_999_999))
async def test_states_and_events_are_the_models(valkey: Redis, steps: list[tuple[str, int]], number: int) -> None:
    await valkey.flushdb()
    run = Run(World(valkey), number)
    for name, argument in steps:
        await run.step(name, argument)
    assert await run.states() == {cycle: each.state for cycle, each in run.model.challenges.items()}
    events = await run.world.published()
    stated = [
        (event.cycle, event.type.split(".")[1], event.version) for event in events if isinstance(event, ChallengeEvent)
    ]
    assert stated == run.model.stated
    assert len({event.event_id for event in events}) == len(events)


async def test_a_reissue_before_its_recording_opens_its_own_cycle_alone(world: World) -> None:
    recorded = world.recorded()
    reissued = world.recorded(recorded.subject, cycle=2, version=3)
    assert await world.otp.open(reissued, world.now) == "opened"
    assert await world.otp.open(recorded, world.now) == "known"
    assert [event.cycle for event in only(await world.published(), ChallengeOpened)] == [2]


async def test_an_end_before_the_recording_leaves_nothing_open(world: World) -> None:
    recorded = world.recorded()
    assert await world.otp.close(world.ended(recorded.subject, 2), world.now) == "closed"
    assert await world.otp.open(recorded, world.now) == "known"
    assert await world.published() == []


async def test_the_next_cycle_closes_the_one_before_with_its_reason(world: World) -> None:
    sent = await world.opened()
    assert sent.event.appointment_id
    reissued = world.recorded(sent.event.appointment_id, phone="+915550000777", cycle=2, version=2)
    await world.otp.open(reissued, world.now)
    events = await world.published()
    (closed,) = only(events, ChallengeClosed)
    assert (closed.subject, closed.reason, closed.version) == (sent.event.challenge_id, "superseded", 2)
    assert isinstance(events[0], ChallengeClosed)  # before the new one opens
    assert len(only(events, MessageRequested)) == 1


async def test_an_appointment_that_comes_too_late_is_stated_expired_and_texts_nobody(world: World) -> None:
    recorded = world.recorded()
    world.later(days=7)
    assert await world.otp.open(recorded, world.now) == "expired"
    assert [type(event) for event in await world.published()] == [ChallengeExpired]
    assert await world.otp.open(recorded, world.now) == "known"
    again = world.recorded(recorded.subject, cycle=2, version=2)
    assert await world.otp.open(again, world.now) == "opened"


async def test_an_invitation_ends_after_seven_days_whatever_the_registry_said(world: World) -> None:
    appointment = world.recorded(not_after=timedelta(days=30))
    await world.otp.open(appointment, world.now)
    world.later(days=7)
    await world.otp.sweep(world.now)
    assert len(only(await world.published(), ChallengeExpired)) == 1


async def test_erasure_forgets_all_that_is_personal_and_refuses_what_comes_later(world: World) -> None:
    sent = await world.opened()
    appointment = sent.event.appointment_id
    assert appointment
    await world.otp.open(world.recorded(appointment, cycle=2, version=2), world.now)
    last = world.messages(await world.published())[-1]
    await world.otp.erase(erased(world, appointment, phones=("+915550000210",)), world.now)
    (closed,) = only(await world.published(), ChallengeClosed)
    assert closed.reason == "erased"
    for handle in (sent.handle, last.handle):
        assert await world.otp.view(handle, "", world.now) is None
    kept = await world.everything()
    for name, value in kept.items():
        if not name.startswith("otp:sends:"):
            assert fingerprint("+915550000210") not in name + value
            assert "s1.registry" not in value
            assert "अध्यक्ष" not in value
    world.later(days=61)
    assert await world.otp.open(world.recorded(appointment, cycle=3, version=3), world.now) == "erased"
    assert await world.valkey.pttl(f"otp:appointment:{appointment}") > 61 * 86_400_000


async def test_erasure_of_somebody_unknown_still_refuses_what_comes_later(world: World) -> None:
    recorded = world.recorded()
    await world.otp.erase(erased(world, recorded.subject), world.now)
    assert await world.otp.open(recorded, world.now) == "erased"
    assert await world.otp.close(world.ended(recorded.subject, 5), world.now) == "erased"


async def test_a_broker_that_lost_everything_is_told_states_and_valid_requests_again(world: World) -> None:
    done = await world.opened()
    await world.otp.judge(world.code_reply(done.code or ""), world.now)
    waiting = await world.opened(phone="+915550000999")
    assert await world.published() == []
    world.later(minutes=1)
    assert await world.otp.meet_broker("first", world.now) == 0
    assert await world.otp.meet_broker("first", world.now) == 0
    assert await world.otp.meet_broker("second", world.now) == 3
    events = await world.published()
    assert [event.subject for event in events if isinstance(event, MessageRequested)] == [waiting.event.subject]
    assert {event.type for event in events} == {"challenge.verified.v1", "challenge.opened.v1", "message.requested.v1"}
    assert world.messages(events)[0].code == waiting.code
    world.later(minutes=10)
    assert await world.otp.meet_broker("third", world.now) == 2
    assert only(await world.published(), MessageRequested) == []


async def test_after_its_time_nothing_of_a_challenge_is_left(valkey: Redis) -> None:
    """The counters and records of a full cycle all carry a time to live within the kept time."""
    world = World(valkey)
    sent = await world.opened()
    await world.otp.judge(world.code_reply(sent.code or ""), world.now)
    await world.published()
    longest = max([await valkey.pttl(key) async for key in valkey.scan_iter()])
    assert longest <= (7 * 86_400 + world.policy.kept) * 1000
    assert "challenge.verified.v1" in str(await valkey.hget(f"otp:challenge:{sent.event.challenge_id}", "event"))
