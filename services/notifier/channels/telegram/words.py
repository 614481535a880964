"""Texts and buttons of the messages that ask and tell, in both languages, as Telegram's HTML."""

from collections.abc import Iterable
from datetime import datetime
from html import escape
from uuid import UUID

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from services.notifier.domain.message import Contact
from services.notifier.domain.telegram import Act, button_data
from services.notifier.domain.texts import short_name
from shared.events import AnnouncementText, EndedText, InvitationText, Label, Language, PostRef, UnitRef
from shared.i18n import Catalogues, ist_time


class Words:
    """Speaks Hindi and English. Every value that came from outside is escaped."""

    def __init__(self, catalogues: Catalogues) -> None:
        """`catalogues`: gettext catalogues of both languages."""
        self._catalogues = catalogues

    def say(self, language: Language, sentence: str, **values: object) -> str:
        """`sentence` (English, the msgid) in `language`, with escaped values filled in."""
        found = self._catalogues[language].gettext(sentence)
        return found.format(**{name: escape(str(value), quote=False) for name, value in values.items()})

    def count(self, language: Language, one: str, many: str, n: int) -> str:
        """The sentence for `n` of something."""
        return self._catalogues[language].ngettext(one, many, n).format(n=n)

    def place(self, language: Language, unit: UnitRef, post: PostRef) -> str:
        """`WhatsApp Pramukh, Booth 223, Kolar Mandal`, bold, escaped."""
        return f"<b>{escape(post.label.text(language), quote=False)}</b>, {escape(where(unit, language), quote=False)}"

    def card(
        self, language: Language, organisation: Label, unit: UnitRef, post: PostRef, contact: Contact | None
    ) -> str:
        """Who asks whom for which post. A stranger may read it: first name and initial only, never more."""
        rows = [
            ("Name", short_name(contact.appointee, language) if contact and contact.appointee else ""),
            ("Post", post.label.text(language)),
            ("Unit", where(unit, language)),
            ("Recorded by", contact.recorder if contact else ""),
        ]
        lines = [f"{self.say(language, name)}: <b>{escape(value, quote=False)}</b>" for name, value in rows if value]
        return paragraphs([f"<b>{escape(organisation.text(language), quote=False)}</b>", "\n".join(lines)])

    def question(
        self, language: Language, card: str, code: str | None = None, code_not_after: datetime | None = None
    ) -> str:
        """The card, the question, and the code where one was made: the page takes it too."""
        hint = (
            "With the second button your name also stands in the announcement to the members; "
            "with the first, only post and unit."
        )
        parts = [card, f"<b>{self.say(language, 'Do you accept this post?')}</b>\n{self.say(language, hint)}"]
        if code and code_not_after:
            until = ist_time(code_not_after, language)
            text = "Code for the page: {code}, valid until {until}. Tell it to nobody; nobody of us asks for it."
            parts.append(self.say(language, text, code=code, until=until).replace(code, f"<code>{code}</code>"))
        parts.append(self.say(language, "What happens with your data: /privacy"))
        return paragraphs(parts)

    def buttons(self, language: Language, challenge: UUID) -> InlineKeyboardMarkup:
        """Two ways to accept (with and without the name in the announcement) and one to refuse."""
        acts = (
            (Act.CONFIRM, "✓ Yes, I accept"),
            (Act.CONFIRM_NAMED, "✓ Yes, and announce my name"),
            (Act.REFUSE, "✕ This is not me"),
        )
        return keyboard((self.say(language, label), button_data(act, challenge)) for act, label in acts)

    def resend(self, language: Language, challenge: UUID) -> InlineKeyboardMarkup:
        """One button: a new code."""
        return keyboard([(self.say(language, "Send a new code"), button_data(Act.RESEND, challenge))])

    def invitation(self, language: Language, text: InvitationText, contact: Contact | None, code: str | None) -> str:
        """The question as a message of its own, for an account that is linked already."""
        card = self.card(language, text.organisation, text.unit, text.post, contact)
        return self.question(language, card, code, text.code_not_after)

    def ended(self, language: Language, text: EndedText) -> str:
        """You confirmed, but it had ended before."""
        sentence = "You confirmed, but this appointment had already ended. Nothing is needed from you."
        return paragraphs([self.place(language, text.unit, text.post), self.say(language, sentence)])

    def announcement(self, language: Language, text: AnnouncementText, name: Label | None) -> str:
        """A post is now held; by whom only where that person agreed to it."""
        rows = [self.place(language, text.unit, text.post)]
        if name:
            rows.append(escape(name.text(language), quote=False))
        else:
            rows.append(self.say(language, "This post is now held."))
        heading = (
            f"<b>{self.say(language, 'New appointment')}</b> · {escape(text.organisation.text(language), quote=False)}"
        )
        return paragraphs([heading, "\n".join(rows)])


def keyboard(buttons: Iterable[tuple[str, str]]) -> InlineKeyboardMarkup:
    """One button a row: labels of both languages fit a narrow phone."""
    return InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=label, callback_data=data)] for label, data in buttons]
    )


def paragraphs(parts: Iterable[str]) -> str:
    """Parts with an empty line between them."""
    return "\n\n".join(part for part in parts if part)


def where(unit: UnitRef, language: Language) -> str:
    """`Booth 223, Kolar Mandal`."""
    return ", ".join(label.text(language) for label in (unit.label, unit.within) if label)
