"""What a person wants of the bot: language, announcements or none, help, and whether they can be reached at all."""

from collections.abc import Sequence

from services.notifier.domain.saying import AnswerTap, Kind, Say, Saying, Toast
from services.notifier.service.telegram.linking import Linking
from services.notifier.service.telegram.memory import Turn
from shared.events import Language


class Wishes:
    """The newest wish counts: an older update that arrives later changes nothing."""

    def __init__(self, linking: Linking) -> None:
        self._linking = linking

    async def say(self, turn: Turn, kind: Kind) -> Sequence[Saying]:
        """One of the fixed texts, in the person's language."""
        dialog, account = await turn.known()
        return [Say(kind, turn.sender.chat_id, turn.sender.language(dialog, account))]

    async def language(self, turn: Turn, language: Language, query_id: str | None = None) -> Sequence[Saying]:
        """Speak this language from now on. `query_id`: it was chosen by a button."""
        dialog, _ = await turn.known()
        if turn.update_id > dialog.language_update:
            dialog = await turn.remember(dialog, language=language, language_update=turn.update_id)
            await turn.memory.speak(turn.sender.user_id, language, turn.now)
        spoken = dialog.language or language
        said = Say(Kind.LANGUAGE_SET, turn.sender.chat_id, spoken)
        return [AnswerTap(query_id, Toast.SET, spoken), said] if query_id else [said]

    async def stop(self, turn: Turn) -> Sequence[Saying]:
        """/stop: no announcements any more; invitations and what concerns the person's own post still come."""
        await self._announcements(turn, wanted=False)
        return await self.say(turn, Kind.STOPPED)

    async def resume(self, turn: Turn) -> Sequence[Saying]:
        """A plain /start: announcements again, where they were stopped."""
        dialog, account = await turn.known()
        changed = await self._announcements(turn, wanted=True)
        if changed and not (account.announcements if account else dialog.announcements):
            return await self.say(turn, Kind.RESUMED)
        return []

    async def _announcements(self, turn: Turn, *, wanted: bool) -> bool:
        dialog, _ = await turn.known()
        if turn.update_id <= dialog.announcements_update:
            return False
        await turn.remember(dialog, announcements=wanted, announcements_update=turn.update_id)
        await turn.memory.announce(turn.sender.user_id, wanted, turn.now)
        return True

    async def member(self, turn: Turn, *, reachable: bool) -> Sequence[Saying]:
        """The person blocked the bot, or came back; then what is still open is asked again."""
        dialog, account = await turn.known()
        if turn.update_id <= dialog.member_update:
            return []
        dialog = await turn.remember(dialog, member_update=turn.update_id)
        await turn.memory.reach(turn.sender.chat_id, reachable, turn.now)
        back = reachable and account is not None and not account.reachable
        return await self._linking.ask_all(turn, dialog, account) if back else []
