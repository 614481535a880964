"""Opens what is sealed, for the time of one send."""

from services.notifier.domain.message import SECRETS_FROM, Contact, Letter, Message, Secrets
from services.notifier.domain.opening import contact_of, secrets_of
from services.notifier.domain.ports import Vault
from shared.seal import Sealer


class Opener:
    """The one place that sees a phone, a code or a link; nothing of it is kept."""

    def __init__(self, sealer: Sealer, vault: Vault) -> None:
        self._sealer = sealer
        self._vault = vault

    def letter(self, message: Message, chat_id: int | None) -> Letter:
        """The message with everything opened, to `chat_id` (Telegram) or else to the phone. Raises CannotOpen,
        CannotUnlock, MalformedSecret."""
        contact = self.contact(message)
        secrets = self.secrets(message)
        address = str(chat_id) if chat_id is not None else (contact.phone if contact else "")
        return Letter(message, address, contact, secrets)

    def contact(self, message: Message) -> Contact | None:
        """Who is written to; None for a channel post."""
        if message.contact is not None and message.about is not None:
            return contact_of(
                self._sealer.open(message.contact, sender="registry", subject=message.about, field="contact")
            )
        if message.phone is not None:
            return Contact(self._vault.unlock(message.phone, phone_of(message.causation_id)).decode())
        return None

    def secrets(self, message: Message) -> Secrets:
        """Code, link and name, as far as the message has them."""
        sender = SECRETS_FROM.get(message.template)
        if message.secrets is None or sender is None:
            return Secrets()
        return secrets_of(self._sealer.open(message.secrets, sender=sender, subject=str(message.id), field="secrets"))


def phone_of(reply_id: object) -> str:
    """What the locked phone of a reply is bound to."""
    return f"phone:{reply_id}"
