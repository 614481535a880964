"""Control of faults, receipts, updates, the clock, and of the whole sandbox."""

from fastapi import APIRouter

from services.sandbox.api.control.bodies import Again, CarrierRules, FaultIn, RawUpdate, Seed, Skip, TelegramRules
from services.sandbox.api.control.rooms import open_room
from services.sandbox.api.control.views import Done, FaultOut
from services.sandbox.domain.carrier import Policy
from services.sandbox.domain.failures import UnknownFault, UnknownUpdate
from services.sandbox.domain.faults import Fault
from services.sandbox.service.sandbox import Sandbox


def routes(sandbox: Sandbox) -> APIRouter:
    """/control/faults, /control/carrier, /control/telegram, /control/updates, /control/clock, reset and seed."""
    router = APIRouter()
    faults(router, sandbox)
    rules(router, sandbox)
    updates(router, sandbox)
    whole(router, sandbox)
    return router


def faults(router: APIRouter, sandbox: Sandbox) -> None:
    """Faults in force."""

    @router.get("/faults", tags=["faults"])
    async def listed() -> list[FaultOut]:
        return [FaultOut.of(f) for f in sandbox.world.faults.rules]

    @router.post("/faults", status_code=201, tags=["faults"])
    async def add(body: FaultIn) -> FaultOut:
        return FaultOut.of(sandbox.world.faults.add(Fault(**body.model_dump())))

    @router.delete("/faults/{fault_id}", status_code=204, tags=["faults"])
    async def remove(fault_id: int) -> None:
        if not sandbox.world.faults.remove(fault_id):
            raise UnknownFault

    @router.delete("/faults", status_code=204, tags=["faults"])
    async def clear() -> None:
        sandbox.world.faults.rules = []


def rules(router: APIRouter, sandbox: Sandbox) -> None:
    """When receipts and updates come."""

    @router.get("/carrier", tags=["rules"])
    async def carrier() -> CarrierRules:
        policy = sandbox.world.carrier.policy
        return CarrierRules(receipts=policy.receipts, delay=policy.delay, late_by=policy.late_by)

    @router.put("/carrier", tags=["rules"])
    async def set_carrier(body: CarrierRules) -> CarrierRules:
        sandbox.world.carrier.policy = Policy(body.receipts, body.delay, body.late_by)
        return body

    @router.put("/telegram", tags=["rules"])
    async def set_telegram(body: TelegramRules) -> TelegramRules:
        world = sandbox.world
        world.telegram.updates.copies, world.telegram.updates.held = body.copies, body.held
        world.pacing.on = body.rate_limits
        sandbox.changes.touch("updates")
        return body


def updates(router: APIRouter, sandbox: Sandbox) -> None:
    """Updates that Telegram would not send, or not like this."""

    @router.get("/updates", tags=["updates"])
    async def pending() -> list[dict[str, object]]:
        return [p.body for p in sandbox.world.telegram.updates.pending]

    @router.post("/updates", tags=["updates"])
    async def inject(body: RawUpdate) -> Done:
        update_id = sandbox.world.telegram.updates.inject(body.update, sandbox.now())
        return woken(str(update_id))

    @router.post("/updates/again", tags=["updates"])
    async def again(body: Again) -> Done:
        update_id = sandbox.world.telegram.updates.repeat(body.update_id, body.times, sandbox.now())
        if update_id is None:
            raise UnknownUpdate
        return woken(str(update_id))

    @router.post("/updates/reverse", tags=["updates"])
    async def reverse() -> Done:
        return woken(str(sandbox.world.telegram.updates.reverse()))

    def woken(result: str) -> Done:
        sandbox.changes.touch("updates")
        return Done(result=result)


def whole(router: APIRouter, sandbox: Sandbox) -> None:
    """The clock and the sandbox as a whole."""

    @router.post("/clock", tags=["sandbox"])
    async def skip(body: Skip) -> Done:
        sandbox.world.skew += body.seconds
        sandbox.changes.touch("updates")
        return Done(result=str(sandbox.world.skew))

    @router.post("/reset", status_code=204, tags=["sandbox"])
    async def reset() -> None:
        sandbox.reset()

    @router.post("/seed", tags=["sandbox"])
    async def seed(body: Seed) -> Done:
        world, made = sandbox.world, 0
        for phone in body.phones:
            known = world.phones.get(phone.phone)
            if known is None or not known.made:
                world.create(phone.phone, **phone.model_dump(exclude={"phone"}))
                made += 1
        for channel in body.channels:
            if channel.chat_id is None or channel.chat_id not in world.telegram.chats:
                open_room(world, channel, sandbox.now())
                made += 1
        return Done(result=str(made))
