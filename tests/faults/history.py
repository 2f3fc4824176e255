"""The history: what was sent, with the end that it has to come to, and which faults struck meanwhile.

A line is written before a thing is sent and another one after it was acknowledged, so that a run that is
cut short shows what may have been sent.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from fault import Kind, append_line
from signalbox.protocol.names import Headers

MARK: Final = "fault_test"
"""The header that ties a record which the test wrote itself to its line in the history."""


class Way(StrEnum):
    """How a thing gets into the system."""

    API = "api"
    """Through lead capture, as a website does: the same lead id until it is accepted."""
    FOREIGN = "foreign"
    """By a foreign producer onto ``incoming_leads``, without any header of ours."""
    MESSAGES = "messages"
    """By a foreign producer onto ``agent_messages``: a workflow that belongs to no captured lead."""
    MALFORMED = "malformed"


class End(StrEnum):
    """What it has to come to."""

    SCHEDULED = "scheduled"
    ENDED = "ended"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Sending:
    """One thing that is sent. ``times``: how often, as connectors redeliver.

    ``digest`` is that of the record's bytes, empty for a lead that goes through the API. A malformed record
    has ``reason`` and ``field`` of the verdict that it has to get, and may claim to belong to the workflow
    of ``lead_id``. ``asks_for`` is the agent that a lead's text asks for.
    """

    number: int
    way: Way
    end: End
    lead_id: str
    times: int = 1
    topic: str = ""
    digest: str = ""
    example: str = ""
    reason: str = ""
    field: str = ""
    asks_for: str = ""

    @property
    def captured(self) -> bool:
        """Whether it is a lead that intake has to take in."""
        return self.way in {Way.API, Way.FOREIGN}


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that struck; ``healed_at`` is None when it was never healed. Times since the epoch.

    ``harm`` is how often something came its way: requests, connections, records; None where no one counts.
    """

    name: str
    kind: Kind
    what: str
    at: float
    healed_at: float | None
    harm: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a history says: ``unacknowledged`` are the numbers of what was begun and never acknowledged."""

    sendings: tuple[Sending, ...]
    unacknowledged: tuple[int, ...]
    injections: tuple[Injection, ...]


class History:
    """Writes the history, a JSON line at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sending(self, sending: Sending) -> None:
        """Note what is about to be sent."""
        append_line(self.path, {"event": "sending", **asdict(sending)})

    def sent(self, number: int) -> None:
        """Note that it was acknowledged."""
        append_line(self.path, {"event": "sent", "number": number})

    def injecting(self, name: str, kind: Kind) -> None:
        """Note that a fault is about to strike."""
        append_line(self.path, {"event": "injecting", "name": name, "kind": kind})

    def injected(self, name: str, what: str) -> None:
        """Note what a fault did."""
        append_line(self.path, {"event": "injected", "name": name, "what": what})

    def struck(self, name: str, count: int) -> None:
        """Note how often something came a fault's way, before it is healed."""
        append_line(self.path, {"event": "struck", "name": name, "count": count})

    def healed(self, name: str) -> None:
        """Note that a fault's harm is mended."""
        append_line(self.path, {"event": "healed", "name": name})


def told_by(path: Path) -> Told:
    """Read a history."""
    lines = list(_lines(path))
    sendings = [_sending(line) for line in lines if line["event"] == "sending"]
    acknowledged = {line["number"] for line in lines if line["event"] == "sent"}
    return Told(
        tuple(sendings),
        tuple(one.number for one in sendings if one.number not in acknowledged),
        tuple(_injections(lines)),
    )


def digest_of(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """Return the SHA-256 of a record's bytes: key, value and headers, in their order."""
    hashed = hashlib.sha256()
    parts = [key, value, *(part for name, of in headers for part in (name.encode(), of))]
    for part in parts:
        hashed.update(b"-" if part is None else b"+%d:" % len(part) + part)
    return hashed.hexdigest()


def _injections(lines: list[dict[str, Any]]) -> Iterator[Injection]:
    for at, line in enumerate(lines):
        if line["event"] != "injecting":
            continue
        later = list(_until_the_next(lines[at + 1 :], line["name"]))
        what = next((one["what"] for one in later if one["event"] == "injected"), "did not get so far")
        healed = next((one["at"] for one in later if one["event"] == "healed"), None)
        harm = next((one["count"] for one in later if one["event"] == "struck"), None)
        yield Injection(line["name"], Kind(line["kind"]), what, line["at"], healed, harm)


def _until_the_next(lines: list[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.get("name") == name:
            if line["event"] == "injecting":
                return
            yield line


def _sending(line: Mapping[str, Any]) -> Sending:
    fields = {name: value for name, value in line.items() if name not in {"event", "at"}}
    return Sending(**{**fields, "way": Way(line["way"]), "end": End(line["end"])})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
