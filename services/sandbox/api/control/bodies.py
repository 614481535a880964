"""What the control API takes."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.sandbox.domain.faults import Api, Stage
from services.sandbox.domain.person import ContactKind
from services.sandbox.domain.receipts import PhoneState, Receipts


class Body(BaseModel):
    """A request body; an unknown field is an error, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


class PhoneIn(Body):
    """A phone to create."""

    phone: str = Field(examples=["+915550000210"])
    name: str = Field(min_length=1, max_length=64)
    last_name: str = Field("", max_length=64)
    username: str = Field("", max_length=32)
    language: str = Field("hi", max_length=8)
    telegram: bool = True


class PhoneChange(Body):
    """What to change; a field that is absent stays. `receipts` null means the carrier's general rule."""

    state: PhoneState | None = None
    receipts: Receipts | None = None


class Start(Body):
    """Press Start, with the payload of a t.me link."""

    payload: str = Field("", max_length=64, pattern=r"^[A-Za-z0-9_-]*$")


class Text(Body):
    """A text to the bot."""

    text: str = Field(min_length=1, max_length=4096)


class ContactIn(Body):
    """Share a contact. `phone` names whose contact (other), what it claims (forged), or an old number (forwarded)."""

    kind: ContactKind = ContactKind.OWN
    phone: str | None = None


class Tap(Body):
    """Tap the newest inline button with this label or data. `forged_data` sends data that no button has."""

    label: str | None = None
    data: str | None = None
    message_id: int | None = None
    forged_data: str | None = Field(None, max_length=64)
    chat_of: str | None = None  # tap in the chat of this other phone: what a stranger's client might send


class Join(Body):
    """Join by invite link, or a channel directly."""

    link: str = ""
    chat_id: int | None = None


class Leave(Body):
    """Leave a channel."""

    chat_id: int


class Reply(Body):
    """An SMS from the phone, to the last sender or to `to`."""

    text: str = Field(min_length=1, max_length=1600)
    to: str = ""


class RoomIn(Body):
    """A channel or group to create; the bot becomes its administrator unless told otherwise."""

    title: str = Field(min_length=1, max_length=128)
    username: str = Field("", max_length=32)
    kind: Literal["channel", "group", "supergroup"] = "channel"
    chat_id: int | None = Field(None, lt=0)
    bot: Literal["administrator", "member", "left", "kicked"] = "administrator"
    can_post_messages: bool = True
    can_invite_users: bool = True


class BotPlace(Body):
    """What the bot is to be in a channel."""

    status: Literal["administrator", "member", "left", "kicked"] = "administrator"
    can_post_messages: bool = True
    can_invite_users: bool = True


class FaultIn(Body):
    """A fault to switch on; `target` is the chat id or the phone. An empty `target` fits every chat, an empty `method`
    every method but getUpdates, which must be named."""

    api: Api
    method: str = ""
    target: str = ""
    stage: Stage = Stage.BEFORE
    status: int = Field(0, ge=0, le=599)
    code: int = 0
    description: str = ""
    retry_after: int = Field(0, ge=0)
    migrate_to: int = 0
    times: int | None = Field(1, ge=1)
    every: int = Field(1, ge=1)
    latency: float = Field(0.0, ge=0, le=300)
    hang: float = Field(0.0, ge=0, le=300)
    reset: bool = False

    @model_validator(mode="after")
    def does_something(self) -> Self:
        """A fault that neither delays nor breaks anything is a mistake."""
        if not (self.status or self.migrate_to or self.latency or self.hang or self.reset):
            raise ValueError("say what the fault does: status, migrate_to, latency, hang or reset")
        return self


class CarrierRules(Body):
    """When receipts come; `delay` and `late_by` in seconds."""

    receipts: Receipts = Receipts.NORMAL
    delay: float = Field(0.2, ge=0, le=300)
    late_by: float = Field(30.0, ge=0, le=3600)


class TelegramRules(Body):
    """How updates come: each `copies` times, or `held` back; and whether the published rate limits apply."""

    copies: int = Field(1, ge=1, le=10)
    held: bool = False
    rate_limits: bool = False


class RawUpdate(Body):
    """An update as it is, also a malformed one."""

    update: dict[str, Any]


class Again(Body):
    """Deliver an earlier update again, the last one without an id."""

    update_id: int | None = None
    times: int = Field(1, ge=1, le=100)


class Skip(Body):
    """Seconds that the sandbox's clock jumps ahead."""

    seconds: float = Field(ge=0, le=31_536_000)


class Seed(Body):
    """Phones and channels that should be there; those that are there already stay as they are."""

    phones: list[PhoneIn] = Field(default_factory=list, max_length=5_000)
    channels: list[RoomIn] = Field(default_factory=list, max_length=1_000)
