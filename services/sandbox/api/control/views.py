"""What the control API shows."""

from typing import Any

from pydantic import BaseModel

from services.sandbox.api.control.bodies import FaultIn
from services.sandbox.domain.carrier import Phone, Sms
from services.sandbox.domain.chats import Chat, Message
from services.sandbox.domain.faults import Fault
from services.sandbox.domain.journal import Call
from services.sandbox.domain.receipts import PhoneState, Receipts


class FaultOut(FaultIn):
    """A fault in force."""

    id: int
    used: int

    @classmethod
    def of(cls, fault: Fault) -> "FaultOut":
        """The view of a fault."""
        return cls(**{name: getattr(fault, name) for name in cls.model_fields})


class SmsOut(BaseModel):
    """One SMS. `query` are the parameters of its callback URL, `reported` the receipts sent so far."""

    seq: int
    sid: str
    to: str
    sender: str
    body: str
    at: float
    parts: int
    inbound: bool
    status: str
    error_code: int | None
    callback: str
    query: dict[str, str]
    reported: list[str]

    @classmethod
    def of(cls, sms: Sms) -> "SmsOut":
        """The view of an SMS."""
        names = set(cls.model_fields) - {"query"}
        return cls(**{name: getattr(sms, name) for name in names}, query=sms.query())


class UnderWay(BaseModel):
    """`deliveries`: receipts and answers on their way to the caller's URLs, those that are tried again among them;
    `updates`: of Telegram, which the bot has not confirmed."""

    deliveries: int
    updates: int


class Button(BaseModel):
    """An inline button."""

    text: str
    data: str | None = None
    url: str | None = None


class MessageOut(BaseModel):
    """One message of a chat."""

    seq: int
    message_id: int
    at: float
    from_bot: bool
    text: str
    entities: list[dict[str, Any]]
    buttons: list[list[Button]]
    content: dict[str, Any]
    edited: float | None
    deleted: bool

    @classmethod
    def of(cls, message: Message) -> "MessageOut":
        """The view of a message."""
        buttons = [
            [Button(text=b["text"], data=b.get("callback_data"), url=b.get("url")) for b in row]
            for row in message.inline
        ]
        return cls(
            seq=message.seq,
            message_id=message.id,
            at=message.date,
            from_bot=message.mine,
            text=message.text,
            entities=message.entities,
            buttons=buttons,
            content=message.content,
            edited=message.edited,
            deleted=message.deleted,
        )


class ChatOut(BaseModel):
    """A chat with what its person sees: messages, reply keyboard, the last toast."""

    chat_id: int
    type: str
    title: str
    members: int
    toast: str
    action: str
    reply_keyboard: list[list[dict[str, Any]]] | None
    invite_links: list[str]
    requests: list[int]
    messages: list[MessageOut]

    @classmethod
    def of(cls, chat: Chat) -> "ChatOut":
        """The view of a chat."""
        return cls(
            chat_id=chat.id,
            type=chat.type,
            title=chat.title,
            members=chat.member_count(),
            toast=chat.toast,
            action=chat.action,
            reply_keyboard=chat.reply_keyboard,
            invite_links=list(chat.invites),
            requests=list(chat.requests),
            messages=[MessageOut.of(m) for m in chat.messages],
        )


class TelegramOut(BaseModel):
    """The Telegram account of a phone."""

    user_id: int
    username: str
    started: bool
    blocked: bool
    deleted: bool


class PhoneOut(BaseModel):
    """A phone."""

    phone: str
    name: str
    language: str
    state: PhoneState
    receipts: Receipts | None
    telegram: TelegramOut | None
    sms: int

    @classmethod
    def of(cls, phone: Phone) -> "PhoneOut":
        """The view of a phone."""
        account = phone.account
        telegram = account and TelegramOut(
            user_id=account.id,
            username=account.username,
            started=account.started,
            blocked=account.blocked,
            deleted=account.deleted,
        )
        return cls(
            phone=phone.number,
            name=phone.name,
            language=phone.language,
            state=phone.state,
            receipts=phone.receipts,
            telegram=telegram,
            sms=len(phone.inbox),
        )


class InboxOut(BaseModel):
    """The SMS of a phone, oldest first, and the newest that it received."""

    messages: list[SmsOut]
    latest: SmsOut | None


class CallOut(BaseModel):
    """One line of the call log."""

    seq: int
    at: float
    line: str
    method: str
    target: str
    params: dict[str, str]
    status: int
    response: Any
    fault: int

    @classmethod
    def of(cls, call: Call) -> "CallOut":
        """The view of a call."""
        return cls(**{name: getattr(call, name) for name in cls.model_fields})


class Found(BaseModel):
    """What a wait ended with; all empty when the time ran out."""

    found: bool
    sms: SmsOut | None = None
    message: MessageOut | None = None
    call: CallOut | None = None


class CodeOut(BaseModel):
    """One code that the Telegram Gateway delivered to a phone."""

    request_id: str
    at: float
    code: str
    delivery: str
    verification: str


class Done(BaseModel):
    """The id of what was done: an update, a callback query or a membership."""

    result: str
