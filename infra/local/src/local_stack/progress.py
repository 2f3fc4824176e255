"""What the person in front of it sees: a line for each step, and on a terminal what is waited for."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Lines on standard output; ``quiet`` shows none, for tests."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)

    def say(self, text: str) -> None:
        self._console.print(text)

    @contextmanager
    def waiting_for(self, names: Iterable[str]) -> Iterator[None]:
        """Show on a terminal that ``names`` are being waited for; elsewhere a line says so once."""
        text = "waiting for " + ", ".join(names)
        if not self._console.is_terminal:
            self.say(text)
            yield
            return
        with self._console.status(text):
            yield
