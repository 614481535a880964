"""The Bot API's methods by lower-case name; getUpdates waits and therefore lives in the service."""

from collections.abc import Callable
from typing import Any

from services.sandbox.domain.methods import bot, chats, messages
from services.sandbox.domain.params import Params
from services.sandbox.domain.telegram import Telegram

Method = Callable[[Telegram, Params, float], Any]

METHODS: dict[str, Method] = {
    "getme": bot.get_me,
    "setwebhook": bot.set_webhook,
    "deletewebhook": bot.delete_webhook,
    "getwebhookinfo": bot.webhook_info,
    "setmycommands": bot.set_commands,
    "getmycommands": bot.get_commands,
    "deletemycommands": bot.delete_commands,
    "setmyname": bot.set_text("name"),
    "getmyname": bot.get_text("name"),
    "setmydescription": bot.set_text("description"),
    "getmydescription": bot.get_text("description"),
    "setmyshortdescription": bot.set_text("short_description"),
    "getmyshortdescription": bot.get_text("short_description"),
    "sendmessage": messages.send,
    "sendphoto": messages.send_photo,
    "senddocument": messages.send_document,
    "copymessage": messages.copy,
    "editmessagetext": messages.edit_text,
    "editmessagereplymarkup": messages.edit_markup,
    "deletemessage": messages.delete,
    "answercallbackquery": messages.answer_query,
    "sendchataction": messages.chat_action,
    "getchat": chats.get_chat,
    "getchatmember": chats.get_member,
    "getchatmembercount": chats.member_count,
    "createchatinvitelink": chats.create_link,
    "editchatinvitelink": chats.edit_link,
    "revokechatinvitelink": chats.revoke_link,
    "approvechatjoinrequest": chats.approve,
    "declinechatjoinrequest": chats.decline,
    "leavechat": chats.leave,
}
