"""Bot API methods that send, change and delete messages."""

from typing import Any

from services.sandbox.domain import keyboards
from services.sandbox.domain.chats import Chat, Json, Message
from services.sandbox.domain.failures import bad_request
from services.sandbox.domain.keyboards import Keyboard
from services.sandbox.domain.markup import read_text, width
from services.sandbox.domain.params import Params
from services.sandbox.domain.telegram import Telegram

ACTIONS = {
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
    "choose_sticker", "find_location", "record_video_note", "upload_video_note",
}  # fmt: skip
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
CAPTION_LIMIT = 1024


def send(tg: Telegram, params: Params, now: float) -> Json:
    """sendMessage."""
    chat = tg.writable(params.text("chat_id"), now)
    text, entities = read_text(params.text("text"), params.text("parse_mode"))
    return post(tg, chat, params, now, text=text, entities=entities or given_entities(params))


def send_photo(tg: Telegram, params: Params, now: float) -> Json:
    """sendPhoto: the file is not kept, the caption is."""
    return attachment(tg, params, now, "photo", [{"width": 320, "height": 320}])


def send_document(tg: Telegram, params: Params, now: float) -> Json:
    """sendDocument: the file is not kept, the caption is."""
    return attachment(tg, params, now, "document", {"file_name": "document"})


def attachment(tg: Telegram, params: Params, now: float, kind: str, stub: Any) -> Json:
    """A message whose photo or document is a stub with ids of its own."""
    chat = tg.writable(params.text("chat_id"), now)
    if kind not in params:
        raise bad_request(f"there is no {kind} in the request")
    caption = params.text("caption")
    text, entities = read_text(caption, params.text("parse_mode"), limit=CAPTION_LIMIT) if caption else ("", [])
    ids = {"file_id": f"{kind}-{tg.counter + 1}", "file_unique_id": f"u{kind}-{tg.counter + 1}"}
    content = {kind: [ids | stub[0]] if isinstance(stub, list) else ids | stub}
    return post(tg, chat, params, now, text=text, entities=entities, content=content)


def post(tg: Telegram, chat: Chat, params: Params, now: float, **fields: Any) -> Json:
    """Put a message with the call's keyboard into `chat` and return it."""
    keyboard = read_keyboard(params, chat)
    fields["content"] = fields.get("content", {}) | replied(tg, chat, params)
    if params.flag("protect_content"):
        fields["content"] |= {"has_protected_content": True}
    message = tg.put(chat, now, sender=None, inline=keyboard.inline, **fields)
    if keyboard.reply is not None:
        chat.reply_keyboard = keyboard.reply
    if keyboard.remove:
        chat.reply_keyboard = None
    chat.action = ""
    return tg.show(chat, message)


def replied(tg: Telegram, chat: Chat, params: Params) -> Json:
    """The message that this one answers; raises BotApiRefusal when it is gone and must not be."""
    reply = params.nested("reply_parameters", "reply parameters")
    if not isinstance(reply, dict) or not reply.get("message_id"):
        return {}
    message = chat.message(int(reply["message_id"]))
    if message is not None:
        return {"reply_to_message": tg.show(chat, message)}
    if reply.get("allow_sending_without_reply"):
        return {}
    raise bad_request("message to be replied not found")


def read_keyboard(params: Params, chat: Chat) -> Keyboard:
    """The call's reply_markup, checked for this chat."""
    return keyboards.read(params.nested("reply_markup", "reply keyboard markup"), private=chat.type == "private")


def given_entities(params: Params) -> list[Json]:
    """Entities that the caller computed itself."""
    entities = params.nested("entities", "entities")
    return [e for e in entities if isinstance(e, dict)] if isinstance(entities, list) else []


def own(tg: Telegram, params: Params, now: float) -> tuple[Chat, Message]:
    """The bot's message that an edit names; raises BotApiRefusal."""
    chat = tg.writable(params.text("chat_id"), now)
    message = chat.message(params.identifier("message_id", "message identifier is not specified"))
    if message is None:
        raise bad_request("message to edit not found")
    if not message.mine:
        raise bad_request("message can't be edited")
    return chat, message


def edit_text(tg: Telegram, params: Params, now: float) -> Json:
    """editMessageText; an edit without reply_markup takes the buttons away."""
    chat, message = own(tg, params, now)
    text, entities = read_text(params.text("text"), params.text("parse_mode"))
    if "photo" in message.content or "document" in message.content:
        raise bad_request("there is no text in the message to edit")
    return change(tg, chat, message, now, text=text, entities=entities, keyboard=read_keyboard(params, chat))


def edit_markup(tg: Telegram, params: Params, now: float) -> Json:
    """editMessageReplyMarkup."""
    chat, message = own(tg, params, now)
    keyboard = read_keyboard(params, chat)
    return change(tg, chat, message, now, text=message.text, entities=message.entities, keyboard=keyboard)


def change(
    tg: Telegram, chat: Chat, message: Message, now: float, *, text: str, entities: list[Json], keyboard: Keyboard
) -> Json:
    """Replace what a message says; raises BotApiRefusal when nothing would change."""
    if (text, entities, keyboard.inline) == (message.text, message.entities, message.inline):
        raise bad_request(NOT_MODIFIED)
    message.text, message.entities, message.inline, message.edited = text, entities, keyboard.inline, now
    tg.changed(chat)
    return tg.show(chat, message)


def delete(tg: Telegram, params: Params, now: float) -> bool:
    """deleteMessage."""
    chat = tg.writable(params.text("chat_id"), now)
    message = chat.message(params.identifier("message_id", "message identifier is not specified"))
    if message is None:
        raise bad_request("message to delete not found")
    message.deleted = True
    tg.changed(chat)
    return True


def copy(tg: Telegram, params: Params, now: float) -> Json:
    """copyMessage: the same text as a message of the bot's own."""
    chat, source = tg.writable(params.text("chat_id"), now), tg.chat(params.text("from_chat_id"))
    message = source.message(params.identifier("message_id", "message identifier is not specified"))
    if message is None:
        raise bad_request("message to copy not found")
    sent = post(tg, chat, params, now, text=message.text, entities=message.entities, content=dict(message.content))
    return {"message_id": sent["message_id"]}


def answer_query(tg: Telegram, params: Params, now: float) -> bool:
    """answerCallbackQuery: once, within 150 s."""
    query = tg.query(params.text("callback_query_id"), now)
    text = params.text("text")
    if width(text) > 200:
        raise bad_request("MESSAGE_TOO_LONG")
    query.answered = True
    query.chat.toast = text
    tg.changed(query.chat)
    return True


def chat_action(tg: Telegram, params: Params, now: float) -> bool:
    """sendChatAction."""
    chat = tg.writable(params.text("chat_id"), now)
    if params.text("action") not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat.action = params.text("action")
    tg.changed(chat)
    return True
