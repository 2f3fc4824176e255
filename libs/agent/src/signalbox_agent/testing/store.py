"""An agent's state store in memory: a database would cost its disk's time for each message."""

from collections.abc import Sequence
from datetime import timedelta

from signalbox_agent.store import Answer, Identity, StateStore


class MemoryStore(StateStore):
    """Keeps the answers of one agent as long as it lives; the first ones to a message count."""

    def __init__(self) -> None:
        self._answers: dict[Identity, list[Answer]] = {}

    def prepare(self) -> None:
        """Need nothing."""

    def recall(self, message: Identity) -> list[Answer]:
        """Return what ``message`` was answered; nothing when it is new."""
        return self._answers.get(message, [])

    def remember(self, message: Identity, answers: Sequence[Answer]) -> list[Answer]:
        """Keep ``answers``, and return those that count."""
        return self._answers.setdefault(message, list(answers))

    def purge(self, older_than: timedelta) -> int:
        """Forget nothing: a test does not last that long."""
        return 0

    def close(self) -> None:
        """Hold no connection."""
