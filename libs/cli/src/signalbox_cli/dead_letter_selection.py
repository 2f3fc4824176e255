"""Which dead letters are meant: by position, or by the filters that `list`, `replay` and `discard` share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Annotated, Any, Final

import typer

from signalbox.protocol.dead_letters import Position
from signalbox.protocol.errors import ConfigurationError
from signalbox_cli.console_client import Service

_WHEN = re.compile(r"(\d{1,9})(s|m|h|d|w)", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ALL: Final = 10_000_000

ReasonFilter = Annotated[
    str | None,
    typer.Option("--reason", "--with-reason", help="Only those refused for this reason, like MALFORMED."),
]
WithReasonFilter = Annotated[
    str | None, typer.Option("--with-reason", help="Only those refused for this reason, like MALFORMED.")
]
TopicFilter = Annotated[
    str | None, typer.Option("--topic", help="Only those of this topic, or of this dead letter topic.")
]
AgentFilter = Annotated[
    str | None, typer.Option("--agent", help="Only what this agent wrote, or was to take and did not.")
]
ContractFilter = Annotated[
    str | None, typer.Option("--contract", help="Only those of this record type, like sdr.LeadScored.")
]
SinceFilter = Annotated[
    str | None,
    typer.Option("--since", help="Only those since then: 90m, 2h, 3d, or a time in ISO 8601 (UTC)."),
]
ConsoleUrl = Annotated[
    str | None, typer.Option(help="The console; else CONSOLE_URL, else http://127.0.0.1:8080.")
]


@dataclass(frozen=True, slots=True)
class Filters:
    """What dead letters must be like; what is None may be anything."""

    reason: str | None = None
    topic: str | None = None
    agent: str | None = None
    contract: str | None = None
    since: str | None = None

    @property
    def some(self) -> bool:
        """True when anything is filtered by."""
        return any((self.reason, self.topic, self.agent, self.contract, self.since))

    def parameters(self) -> dict[str, Any]:
        """Return them as the console's API takes them."""
        given = {"reason": self.reason, "topic": self.topic, "agent": self.agent, "contract": self.contract}
        return given | {"since": None if self.since is None else moment(self.since).isoformat()}


def listed(console: Service, filters: Filters, state: str | None, limit: int) -> Iterator[dict[str, Any]]:
    """Yield what the console knows of the dead letters that ``filters`` select, newest first."""
    return console.pages("/api/dead-letters", "dead_letters", limit, state=state, **filters.parameters())


def selected(console: Service, filters: Filters, *states: str) -> list[Position]:
    """Return the positions of those in one of ``states``, in the order in which they were written."""
    dead_letters = [dead_letter for state in states for dead_letter in listed(console, filters, state, _ALL)]
    dead_letters.sort(key=itemgetter("at", "topic", "partition", "offset"))
    return list(dict.fromkeys(map(position_of, dead_letters)))


def position_of(dead_letter: dict[str, Any]) -> Position:
    """Return where a dead letter lies, as the console says it."""
    return Position(dead_letter["topic"], dead_letter["partition"], dead_letter["offset"])


def named(positions: list[str]) -> list[Position]:
    """Read the positions of the command line, each once.

    Raises:
        BadParameter: one is none.
    """
    try:
        return list(dict.fromkeys(Position.parse(text) for text in positions))
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from error


def moment(text: str) -> datetime:
    """Read a time, or how long ago it was.

    Raises:
        BadParameter: it is neither.
    """
    match = _WHEN.fullmatch(text)
    try:
        if match:
            return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no time: write 90m, 2h, 3d or 2026-03-02T09:00:00Z") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
