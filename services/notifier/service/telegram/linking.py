"""From a link to a linked account: /start, and the contact that proves the phone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.notifier.domain.invitation import handle_hash
from services.notifier.domain.message import Contact
from services.notifier.domain.opening import contact_of
from services.notifier.domain.ports import Vault
from services.notifier.domain.saying import Kind, Say, Saying
from services.notifier.domain.telegram import HANDLE, Account, Dialog, Invited, SharedContact
from services.notifier.service.telegram.memory import Turn
from shared.errors import Failure
from shared.events import Language
from shared.phone import Fingerprinter
from shared.seal import Sealer

Normalise = Callable[[str], str]
"""A phone as E.164; raises Failure where it is no mobile that is served."""

SETTLED: Mapping[str, object] = {"challenge": None, "contested": {}, "contested_phone": None, "contested_at": None}


@dataclass(frozen=True, slots=True)
class Proven:
    """A phone that Telegram vouches for."""

    fingerprints: Mapping[str, str]
    at: datetime
    phone: str = field(repr=False)
    """Under our own storage key."""

    @property
    def prints(self) -> frozenset[str]:
        """Its fingerprints under all keys."""
        return frozenset(self.fingerprints.values())


class Linking:
    """Shows the invitation behind a link, and links an account with the phone that Telegram vouches for."""

    def __init__(self, sealer: Sealer, vault: Vault, fingerprinter: Fingerprinter, normalise: Normalise) -> None:
        self._sealer = sealer
        self._vault = vault
        self._fingerprinter = fingerprinter
        self._normalise = normalise

    async def start(self, turn: Turn, handle: str | None) -> Sequence[Saying]:
        """`/start`, with the handle of a link or without. Repeating it changes nothing."""
        sender = turn.sender
        dialog, account = await turn.known()
        if handle is None:
            asked = await self.ask_all(turn, dialog, account)
            return asked or [Say(Kind.WELCOME, sender.chat_id, sender.language(dialog, account))]
        invited = await turn.memory.by_handle(handle_hash(handle)) if HANDLE.fullmatch(handle) else None
        foreign = invited and account and account.fingerprints and not account.holds(invited.prints)
        if invited is None or foreign or not invited.open(turn.now):
            return [Say(Kind.NEUTRAL, sender.chat_id, sender.language(dialog, account))]
        language = sender.language(dialog, account, invited)
        if account and account.holds(invited.prints) and account.fresh(turn.now):
            return [self.ask(sender.chat_id, language, invited)]
        await turn.remember(dialog, challenge=invited.challenge_id)
        return [Say(Kind.INTRODUCE, sender.chat_id, language, invited, self.contact(invited))]

    async def share(self, turn: Turn, shared: SharedContact, at: datetime) -> Sequence[Saying]:
        """A contact, sent at `at`: only the own one, of the invited phone, links the account; anything else is
        refused and changes nothing."""
        dialog, account = await turn.known()
        pending = await turn.memory.invitation(dialog.challenge) if dialog.challenge else None
        language = turn.sender.language(dialog, account, pending)
        proven = self._proven(shared, min(at, turn.now), pending)
        if isinstance(proven, Kind):
            return [Say(proven, turn.sender.chat_id, language)]
        invitations = await turn.memory.open_for(proven.prints, turn.now)
        held = account is not None and account.holds(proven.prints)
        if not (invitations or pending or held):
            return [Say(Kind.NOTHING_OPEN, turn.sender.chat_id, language)]
        if held and account and account.contact_shared_at and account.contact_shared_at > proven.at:
            return []  # a newer share was handled before this one
        others = await turn.memory.holders(proven.prints)
        if any(other.user_id != turn.sender.user_id for other in others):
            return await self._contest(turn, dialog, language, proven)
        await self._bind(turn, dialog, language, proven)
        says: list[Saying] = [Say(Kind.PHONE_VERIFIED, turn.sender.chat_id, language)]
        if pending and not invitations:
            return [*says, Say(Kind.NEUTRAL, turn.sender.chat_id, language)]
        return [*says, *(self.ask(turn.sender.chat_id, language, invited) for invited in invitations)]

    def _proven(self, shared: SharedContact, at: datetime, pending: Invited | None) -> Proven | Kind:
        """The phone of an own contact, or why it does not count."""
        if not shared.own:
            return Kind.NOT_OWN
        try:
            phone = self._normalise(shared.phone)
        except Failure:
            return Kind.OTHER_NUMBER
        proven = Proven(self._fingerprinter.of(phone), at, self._vault.lock(phone.encode(), "phone"))
        return Kind.OTHER_NUMBER if pending and pending.prints.isdisjoint(proven.prints) else proven

    async def _bind(self, turn: Turn, dialog: Dialog, language: Language, proven: Proven) -> None:
        account = Account(
            turn.sender.user_id,
            turn.sender.chat_id,
            language,
            proven.fingerprints,
            proven.at,
            reachable=True,
            announcements=dialog.announcements,
        )
        await turn.memory.bind(account, proven.phone, turn.now)
        await turn.remember(dialog, **SETTLED)

    async def _contest(self, turn: Turn, dialog: Dialog, language: Language, proven: Proven) -> Sequence[Saying]:
        """Another account holds this phone: nothing moves before a code from the phone itself. Until then nothing is
        sent to the other account either, and it is told."""
        await turn.remember(
            dialog, contested=dict(proven.fingerprints), contested_phone=proven.phone, contested_at=proven.at
        )
        says: list[Saying] = [Say(Kind.CONTESTED, turn.sender.chat_id, language)]
        for other in await turn.memory.holders(proven.prints):
            if other.user_id != turn.sender.user_id and other.contact_shared_at is not None:
                await turn.memory.doubt(other.user_id, turn.now)
                says.append(Say(Kind.WARN_OLD, other.chat_id, other.language))
        return says

    async def move(self, turn: Turn, dialog: Dialog) -> Sequence[Saying]:
        """A code from the contested phone was right: the link moves to this account, and the others are told."""
        if not (dialog.contested and dialog.contested_phone and dialog.contested_at):
            return []
        proven = Proven(dialog.contested, dialog.contested_at, dialog.contested_phone)
        says: list[Saying] = []
        for other in await turn.memory.holders(proven.prints):
            if other.user_id != turn.sender.user_id:
                await turn.memory.release(other.user_id, turn.now)
                says.append(Say(Kind.MOVED, other.chat_id, other.language))
        account = await turn.memory.account(turn.sender.user_id)
        await self._bind(turn, dialog, turn.sender.language(dialog, account), proven)
        return says

    async def ask_all(self, turn: Turn, dialog: Dialog, account: Account | None) -> Sequence[Saying]:
        """One question for each invitation of the account's phone that is still open."""
        if account is None or not account.fingerprints or not account.fresh(turn.now):
            return []
        invitations = await turn.memory.open_for(frozenset(account.fingerprints.values()), turn.now)
        sender = turn.sender
        return [self.ask(sender.chat_id, sender.language(dialog, account, one), one) for one in invitations]

    def ask(self, chat_id: int, language: Language, invited: Invited) -> Say:
        """The question of one invitation."""
        return Say(Kind.ASK, chat_id, language, invited, self.contact(invited))

    def contact(self, invited: Invited) -> Contact | None:
        """Who is invited, opened for the time of one message."""
        if invited.contact is None or invited.about is None:
            return None
        opened = self._sealer.open(invited.contact, sender="registry", subject=invited.about, field="contact")
        return contact_of(opened)
