"""What the scripts must do with an appointment, as a pure state machine: the property tests hold Valkey to it."""

from dataclasses import dataclass, field


@dataclass
class Challenge:
    """One cycle."""

    state: str = "open"
    version: int = 0
    guesses: int = 5


@dataclass
class Model:
    """One appointment. `late`: the invitations' time has passed."""

    version: int = 0
    cycle: int = 0
    state: str = "new"
    late: bool = False
    challenges: dict[int, Challenge] = field(default_factory=dict)
    stated: list[tuple[int, str, int]] = field(default_factory=list)

    def invited(self, cycle: int) -> None:
        """Recorded or reissued; the event's version is its cycle."""
        if self.state == "erased" or cycle <= self.version:
            return
        self.version = cycle
        if self.state == "ended" or cycle <= self.cycle:
            return
        self._close("superseded")
        self.cycle, self.state = cycle, "live"
        self.challenges[cycle] = Challenge()
        if self.late:
            self._finish(cycle, "expired")
        else:
            self._state(cycle, "opened")

    def ended(self, version: int) -> None:
        """The appointment is over."""
        if self.state == "erased" or version <= self.version:
            return
        self.version, self.state = version, "ended"
        self._close("ended")

    def erased(self) -> None:
        """The person is forgotten."""
        self._close("erased")
        self.state = "erased"

    def tapped(self, cycle: int, state: str) -> None:
        """The person confirms or refuses."""
        if self.state != "erased" and self._is_open(cycle):
            self._finish(cycle, state)

    def guessed_wrong(self, cycle: int) -> None:
        """A wrong code of that challenge."""
        if self.state == "erased" or not self._is_open(cycle):
            return
        self.challenges[cycle].guesses -= 1
        if self.challenges[cycle].guesses == 0:
            self._finish(cycle, "locked")

    def swept(self) -> None:
        """What is due is done."""
        for cycle in self.challenges:
            self._is_open(cycle)

    def _is_open(self, cycle: int) -> bool:
        challenge = self.challenges.get(cycle)
        if challenge is None:
            return False
        if challenge.state == "open" and self.late:
            self._finish(cycle, "expired")
        return challenge.state == "open"

    def _close(self, reason: str) -> None:
        if self._is_open(self.cycle):
            self._finish(self.cycle, reason)

    def _finish(self, cycle: int, state: str) -> None:
        self.challenges[cycle].state = state
        self._state(cycle, "closed" if state in {"superseded", "ended", "erased"} else state)

    def _state(self, cycle: int, kind: str) -> None:
        self.challenges[cycle].version += 1
        self.stated.append((cycle, kind, self.challenges[cycle].version))
