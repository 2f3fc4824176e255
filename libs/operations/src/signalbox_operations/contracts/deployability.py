"""Whether a service may be deployed: what it was built against, beside the registry and who runs now."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from signalbox.avro import parse
from signalbox.avro.codec import require_readable
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.built import Built
from signalbox_operations.contracts.fleet import Fleet, RunningAgent
from signalbox_operations.contracts.registry_api import RegistryApi
from signalbox_operations.contracts.standing import held_to

_REGISTER = "Run `signalbox contracts plan`, and `signalbox contracts register` when it is right."
_GENERATE = "Run `signalbox contracts generate`, and install signalbox-contracts beside the service."


class Answer(StrEnum):
    """Whether it may be deployed."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not; ``advice`` says what to do."""

    record_type: RecordType
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer for one service. ``versions`` are those it was built with, ``unknown`` what is not known."""

    service: str
    reads: Mapping[RecordType, int | None]
    writes: Mapping[RecordType, int | None]
    objections: tuple[Objection, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """No, when anything speaks against it; unknown, when not everything could be asked."""
        if self.objections:
            return Answer.NO
        return Answer.UNKNOWN if self.unknown else Answer.YES

    def as_dict(self) -> dict[str, Any]:
        """Return the judgement as plain values, for JSON."""
        return {"answer": self.answer, **asdict(self)}


def judge_deployment(
    built: Built, registry: RegistryApi, fleet: Fleet | None, unknown: Iterable[str] = ()
) -> Judgement:
    """Judge whether ``built`` may be deployed; ``fleet`` is None when it is not known who runs.

    Raises:
        Unavailable: the registry can't be reached.
    """
    others = Fleet(tuple(agent for agent in fleet or () if agent.id != built.service))
    subjects = {name: _Subject(name, built.texts.get(name), registry) for name in _all(built)}
    objections = [objection for subject in subjects.values() for objection in subject.own()]
    for name in built.writes:
        objections += subjects[name].as_writer(others.readers(name))
    for name in built.reads:
        objections += subjects[name].as_reader(others.writers(name))
    return Judgement(
        built.service,
        reads={name: subjects[name].version for name in built.reads},
        writes={name: subjects[name].version for name in built.writes},
        objections=tuple(dict.fromkeys(objections)),
        unknown=tuple(unknown),
    )


def _all(built: Built) -> tuple[RecordType, ...]:
    return tuple(dict.fromkeys((*built.reads, *built.writes)))


class _Subject:
    """One record type as the service has it, and as the registry does."""

    def __init__(self, record_type: RecordType, text: str | None, registry: RegistryApi) -> None:
        subject = Subject(record_type)
        self._record_type = record_type
        self._live = registry.versions(subject)
        self._deleted = registry.deleted_versions(subject)
        self._in_force, standing = held_to(self._record_type, self._live)
        self._passed_over = [
            f"Version {version} was not adopted: {why}." for version, why in standing.passed_over
        ]
        self._text = text
        found = registry.lookup(subject, text) if text is not None and self._live else None
        self.version = found.version if found else None

    def own(self) -> Iterator[Objection]:
        """Say what is wrong with the service's own text: it is unknown, unregistered or taken back."""
        if self._text is None:
            yield self._objection("the installed signalbox_contracts has no such record type", _GENERATE)
        elif self.version is None:
            yield self._unregistered(self._text)

    def as_writer(self, readers: Iterable[RunningAgent]) -> Iterator[Objection]:
        """Say who could not read what the service writes: the gate, or an agent that runs."""
        if self._text is None:
            return
        if self._in_force is None:
            advice = f"{'; '.join(self._passed_over) or 'None is registered.'} {_REGISTER}"
            yield self._objection("no version can be held to, so the gate refuses every record of it", advice)
        elif refusal := _unreadable(self._text, self._in_force.schema.text):
            reason = f"the contract in force, version {self._in_force.version}, can't read what it writes"
            yield self._objection(f"{reason}: {_told(refusal)}", self._advice_on_force())
        for agent in readers:
            text = self._text_of(agent)
            if text and (refusal := _unreadable(self._text, text)):
                reason = f"{agent.id}, which runs with version {agent.versions[self._record_type]}, "
                advice = f"Deploy {agent.id} with a contract that can read it first."
                yield self._objection(f"{reason}can't read what it writes: {_told(refusal)}", advice)

    def as_reader(self, writers: Iterable[RunningAgent]) -> Iterator[Objection]:
        """Say what the service could not read: by the contract in force, or of an agent that runs."""
        if self._text is None:
            return
        if self._in_force and (refusal := _unreadable(self._in_force.schema.text, self._text)):
            reason = f"it can't read the contract in force, version {self._in_force.version}"
            yield self._objection(f"{reason}: {_told(refusal)}", "Build it with the contract in force.")
        for agent in writers:
            text = self._text_of(agent)
            if text and (refusal := _unreadable(text, self._text)):
                version = agent.versions[self._record_type]
                reason = f"it can't read what {agent.id} writes, which runs with version {version}"
                advice = (
                    f"Build it with a contract that can read version {version}, or deploy {agent.id} first."
                )
                yield self._objection(f"{reason}: {_told(refusal)}", advice)

    def _unregistered(self, text: str) -> Objection:
        taken_back = next((one for one in self._deleted if json.loads(one.text) == json.loads(text)), None)
        if taken_back is None:
            return self._objection("the text it was built with is not registered", _REGISTER)
        newest = self._live[-1].version if self._live else None
        advice = f"Build it with version {newest}, or register its text again." if newest else _REGISTER
        return self._objection(
            f"version {taken_back.version}, which it was built with, was deregistered", advice
        )

    def _advice_on_force(self) -> str:
        return "; ".join(self._passed_over) or "Register the version that it was built with as the newest."

    def _text_of(self, agent: RunningAgent) -> str | None:
        number = agent.versions.get(self._record_type)
        return next((one.text for one in (*self._live, *self._deleted) if one.version == number), None)

    def _objection(self, reason: str, advice: str) -> Objection:
        return Objection(self._record_type, reason, advice)


def _unreadable(writer: str, reader: str) -> Refusal | None:
    try:
        require_readable(parse(writer), parse(reader))
    except Refusal as refusal:
        return refusal
    return None


def _told(refusal: Refusal) -> str:
    return f"{refusal.field}: {refusal.detail}" if refusal.field else refusal.detail
