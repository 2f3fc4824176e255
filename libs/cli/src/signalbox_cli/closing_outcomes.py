"""What became of each dead letter that `replay` or `discard` was asked about, for people and as JSON."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import typer

from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.errors import ConfigurationError
from signalbox_cli.output import print_json, print_rows, say
from signalbox_operations.replay.audit import lead_of

_COLUMNS: Final = ("position", "outcome", "reason", "lead_id", "record_type", "detail")
_SHORTFALLS: Final = frozenset({"refused", "closed", "missing"})


@dataclass(frozen=True, slots=True)
class ClosingOutcome:
    """``outcome`` is replayed, audited, discarded, would_replay, would_discard, refused, closed or missing.

    ``reason`` is why the dead letter was refused once; ``more`` holds what only one command says.
    """

    position: Position
    outcome: str
    dead_letter: DeadLetter | None = None
    detail: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        dead_letter = self.dead_letter
        return {
            "position": str(self.position),
            "outcome": self.outcome,
            "reason": dead_letter.reason.value if dead_letter else None,
            "lead_id": lead_of(dead_letter.original.key) if dead_letter else None,
            "detail": self.detail,
            **self.more,
        }


def succeeded(outcomes: Sequence[ClosingOutcome], *, by_filter: bool) -> bool:
    """Say whether everything that was asked was done; a filter does not ask for what is closed meanwhile."""
    forgiven = {"closed"} if by_filter else set()
    return not any(one.outcome in _SHORTFALLS - forgiven for one in outcomes)


def report(outcomes: Sequence[ClosingOutcome], *, json: bool) -> None:
    """Print each outcome, and for people how many there are of each."""
    if json:
        print_json([one.as_dict() for one in outcomes])
        return
    print_rows([one.as_dict() for one in outcomes], _COLUMNS, "no dead letter matches")
    if len(outcomes) > 1:
        counts = Counter(one.outcome.replace("_", " ") for one in outcomes)
        say(", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items())))


def confirm(count: int, what: str, show: Callable[[], None], *, json: bool) -> None:
    """Ask a person at a terminal whether ``count`` dead letters are really meant.

    Raises:
        ConfigurationError: there is no one to ask; the text says what to add.
        Abort: the person said no.
    """
    if json or not sys.stdin.isatty():
        raise ConfigurationError(f"{count} dead letters would be {what}; add --yes, or --dry-run to see them")
    show()
    typer.confirm(f"{count} dead letters would be {what}. Go on?", abort=True)
