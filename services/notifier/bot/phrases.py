"""What the dialog says, in words: from what the use cases decided to calls of the Bot API."""

from datetime import datetime, timedelta
from typing import Any

from aiogram.methods import AnswerCallbackQuery, EditMessageText, SendMessage
from aiogram.types import InlineKeyboardMarkup, KeyboardButton, ReplyKeyboardMarkup, ReplyKeyboardRemove

from services.notifier.channels.telegram.words import Words, keyboard, paragraphs
from services.notifier.domain.saying import AnswerTap, Kind, Say, Saying, Toast, Unname
from services.notifier.store.telegram.answers import Said
from shared.events import Language, Result
from shared.i18n import ist_deadline, ist_time

Markup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove | None

TAP_LIFE = timedelta(seconds=150)
"""A tap can be answered for that long (telegram-bot-api, Client.cpp)."""

LANGUAGE_BUTTONS = {"l:hi": "हिन्दी", "l:en": "English"}

FIXED = {
    Kind.NEUTRAL: "This link opens nothing now: it may be old, used already, or meant for somebody else. "
    "If you expect an invitation, ask whoever recorded you to send it again.",
    Kind.WELCOME: "This bot confirms posts. You get an SMS with a link when somebody records you for a post; "
    "open that link, and the invitation appears here.",
    Kind.HELP: "Here you confirm a post with the buttons under the invitation, or by sending the six-digit code of "
    "the SMS. Text, photos and stickers are not read.\n\n/start – open invitations\n/language – हिन्दी, English\n"
    "/privacy – what happens with your data\n/stop – no announcements",
    Kind.PRIVACY: "<b>What happens with your data</b>\nYour name, number and post, and your answer (when, and that "
    "it came by Telegram) are kept to prove the post. Your number is stored encrypted, is shown with its last three "
    "digits only, and goes to nobody but the provider that sends the SMS. Your name stands in the announcement only if "
    "you agree to it. The link of your number with this chat must be renewed after 90 days. To have everything erased, "
    "ask whoever recorded you.",
    Kind.NOT_OWN: "This is not your own number as Telegram knows it, so nothing was changed. "
    "Please use the button below; a forwarded or typed contact does not count.",
    Kind.OTHER_NUMBER: "This is not the number that was recorded for the invitation, so nothing was changed. "
    "If your number was recorded wrongly, tell whoever recorded you.",
    Kind.TYPED_NUMBER: "A typed number proves nothing, so nothing was changed. Please use the button that shares your "
    "number.",
    Kind.SHARE_FIRST: "To use a code here, first share your phone number with the button below.",
    Kind.SHARE_AGAIN: "You shared your number more than 90 days ago, and numbers change hands. "
    "Please share it once more with the button below.",
    Kind.PHONE_VERIFIED: "Thank you. This phone number is verified.",
    Kind.CONTESTED: "This number is linked with another Telegram account, which has been told. If it is yours, "
    "send the six-digit code of the SMS here; no code yet? Open the link of the SMS and ask for one.",
    Kind.WARN_OLD: "Another Telegram account has shared your phone number. Invitations go by SMS until this is "
    "settled. If the number is still yours, share it again here: /start",
    Kind.MOVED: "Your phone number is now linked with another Telegram account, which proved it with a code. "
    "Nothing will be sent here any more.",
    Kind.NOTHING_OPEN: "No invitation is open for this phone number.",
    Kind.PRIVATE_ONLY: "I only work in a private chat. Open me there and press Start.",
    Kind.LANGUAGE: "Which language shall I speak?",
    Kind.LANGUAGE_SET: "I speak English from now on.",
    Kind.STOPPED: "You will get no announcements any more. Invitations, and what concerns your own post, still come. "
    "/start resumes.",
    Kind.RESUMED: "You will get announcements again.",
}
SHARES = {Kind.INTRODUCE, Kind.NOT_OWN, Kind.SHARE_FIRST, Kind.SHARE_AGAIN, Kind.TYPED_NUMBER}
REMOVES = {Kind.PHONE_VERIFIED, Kind.CONTESTED}

TOASTS = {
    Toast.RECEIVED: "Received. One moment …",
    Toast.PENDING: "Your answer is being checked already.",
    Toast.NOT_YOURS: "This button is for somebody else.",
    Toast.OVER: "This invitation is not open any more.",
    Toast.SHARE_AGAIN: "Please share your number once more.",
    Toast.SET: "Done",
}

RESULTS = {
    Result.VERIFIED: "Done ✓ Your post is confirmed.",
    Result.REFUSED: "Noted: this is not you, or you do not accept. Whoever recorded it has been told.",
    Result.LOCKED: "Closed after five wrong codes. Ask whoever recorded you to issue it again.",
    Result.CODE_EXPIRED: "This code has run out. Ask for a new one.",
    Result.CODE_SENT: "A new code is on its way.",
    Result.WAIT: "Please wait a little before you ask for another code.",
    Result.LIMIT: "No more codes can be sent to this number for now.",
    Result.ALREADY: "This has been answered already.",
    Result.OVER: "This invitation is not open any more.",
}
RESENDS = {Result.WRONG, Result.CODE_EXPIRED}


class Phrases:
    """Words the dialog."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def calls(self, saying: Saying, now: datetime) -> Said:
        """The call that says it."""
        if isinstance(saying, AnswerTap):
            text = self._words.say(saying.language, TOASTS[saying.toast])
            answer = AnswerCallbackQuery(callback_query_id=saying.query_id, text=text)
            return Said("answerCallbackQuery", _payload(answer), None, not_after=now + TAP_LIFE)
        if isinstance(saying, Unname):
            text = self._words.announcement(saying.language, saying.text, None)
            edit = EditMessageText(chat_id=saying.chat_id, message_id=saying.message_id, text=text, parse_mode="HTML")
            return Said("editMessageText", _payload(edit), saying.chat_id)
        text, markup = self._text(saying), self._markup(saying)
        if saying.message_id is not None:
            kept = markup if isinstance(markup, InlineKeyboardMarkup) else None
            edit = EditMessageText(
                chat_id=saying.chat_id, message_id=saying.message_id, text=text, parse_mode="HTML", reply_markup=kept
            )
            return Said("editMessageText", _payload(edit), saying.chat_id)
        message = SendMessage(chat_id=saying.chat_id, text=text, parse_mode="HTML", reply_markup=markup)
        asks = saying.invited.challenge_id if saying.invited and saying.kind is Kind.ASK else None
        return Said("sendMessage", _payload(message), saying.chat_id, challenge_id=asks)

    def _text(self, say: Say) -> str:
        words, language, invited = self._words, say.language, say.invited
        place = words.place(language, invited.unit, invited.post) if invited else ""
        match say.kind:
            case Kind.ASK | Kind.INTRODUCE if invited:
                card = words.card(language, invited.organisation, invited.unit, invited.post, say.contact)
                return words.question(language, card) if say.kind is Kind.ASK else self._introduction(language, card)
            case Kind.RESULT:
                return paragraphs([place, self._result(say)])
            case Kind.EXPIRED:
                text = "This invitation has expired. Ask whoever recorded you to issue it again."
                return paragraphs([place, words.say(language, text)])
            case Kind.CLOSED:
                return paragraphs([place, words.say(language, "This invitation was withdrawn. Nothing is needed.")])
            case _:
                return words.say(language, FIXED[say.kind])

    def _introduction(self, language: Language, card: str) -> str:
        say = self._words.say
        asked = (
            "Is this you? Share your own phone number with the button below. "
            "It proves that this number is yours, and it is used for nothing else."
        )
        refuse = "If it is not you, do nothing, or open the link of the SMS and say so there."
        privacy = "What happens with your data: /privacy"
        return paragraphs([card, *(say(language, text) for text in (asked, refuse, privacy))])

    def _result(self, say: Say) -> str:
        words, language, result = self._words, say.language, say.result or Result.OVER
        if result is Result.WRONG:
            left = say.guesses_left or 0
            wrong = words.say(language, "This code is not right. Look at the message with the code and send it again.")
            return f"{wrong} {words.count(language, 'One guess is left.', '{n} guesses are left.', left)}"
        text = words.say(language, RESULTS[result])
        if result is Result.LOCKED and say.contact and say.contact.recorder:
            text = f"{text} {words.say(language, 'Recorded by: {name}', name=say.contact.recorder)}"
        if say.retry_at and result is Result.WAIT:
            text = f"{text} {words.say(language, 'Possible from {at}.', at=ist_time(say.retry_at, language))}"
        if say.retry_at and result is Result.LIMIT:
            text = f"{text} {words.say(language, 'Possible from {at}.', at=ist_deadline(say.retry_at, language))}"
        return text

    def _markup(self, say: Say) -> Markup:
        words, language, invited = self._words, say.language, say.invited
        if say.kind is Kind.ASK and invited:
            return words.buttons(language, invited.challenge_id)
        if say.kind is Kind.RESULT and say.result in RESENDS and invited:
            return words.resend(language, invited.challenge_id)
        if say.kind is Kind.LANGUAGE:
            return keyboard((label, data) for data, label in LANGUAGE_BUTTONS.items())
        if say.kind in SHARES:
            button = KeyboardButton(text=words.say(language, "📱 Share my phone number"), request_contact=True)
            return ReplyKeyboardMarkup(keyboard=[[button]], resize_keyboard=True, one_time_keyboard=True)
        return ReplyKeyboardRemove(remove_keyboard=True) if say.kind in REMOVES else None


def _payload(method: Any) -> bytes:
    """A call's parameters as JSON: what was set, nothing of aiogram's defaults."""
    return bytes(method.model_dump_json(exclude_unset=True, exclude_none=True).encode())
