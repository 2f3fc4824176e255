"""Replaying: what was asked for, step by step, from positions to outcomes."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import typer

from signalbox.gate import Accepted, Rejected
from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import RecordType
from signalbox.protocol.reasons import Reason
from signalbox_cli.closing_outcomes import ClosingOutcome, confirm, report, succeeded
from signalbox_cli.dead_letter_verdict import rejected_as_dict, warn_of_version
from signalbox_cli.output import say, visible
from signalbox_operations.replay import (
    DeadLetterService,
    PreparedReplay,
    ReplayOptions,
    Resolution,
    open_dead_letter_service,
)
from signalbox_operations.replay.editing import Editable, in_editor
from signalbox_operations.replay.obstacles import obstacle
from signalbox_operations.replay.renewal import replay_id_of


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    positions: Sequence[Position]
    by_filter: bool = False
    dry_run: bool = False
    yes: bool = False
    edit: bool = False
    record_type: str | None = None
    contract_version: int | None = None
    key: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fresh: bool = False
    anyway: bool = False
    who: str = ""
    why: str = ""
    json: bool = False

    @property
    def options(self) -> ReplayOptions:
        """What is said about key and headers."""
        return ReplayOptions(self.key, self.headers, self.fresh)

    @property
    def many(self) -> bool:
        """True when a person should have a second look before anything is sent."""
        return self.by_filter or len(self.positions) > 1

    @property
    def interactive(self) -> bool:
        """True when there is a person to talk to."""
        return sys.stdin.isatty() and not self.json


def run_replay(request: Request) -> bool:
    """Replay what is asked for and report it; True when all of it was done."""
    outcomes = asyncio.run(_replayed(request)) if request.positions else []
    report(outcomes, json=request.json)
    return succeeded(outcomes, by_filter=request.by_filter)


async def _replayed(request: Request) -> list[ClosingOutcome]:
    async with open_dead_letter_service(request.who, warn_of_version) as service:
        run = _Run(service, request)
        await run.look_up()
        await run.prepare()
        if not request.dry_run:
            await run.send()
        return [run.outcomes[at] for at in request.positions]


class _Run:
    """One command's way through the dead letters; each ends with an outcome."""

    def __init__(self, service: DeadLetterService, request: Request) -> None:
        self._service = service
        self._request = request
        self._dead_letters: list[DeadLetter] = []
        self._ready: list[PreparedReplay] = []
        self._unaudited: list[PreparedReplay] = []
        self.outcomes: dict[Position, ClosingOutcome] = {}

    async def look_up(self) -> None:
        """Read the dead letters; those that are not there, or are closed already, have their outcome."""
        found = await self._service.dead_letters(self._request.positions)
        for at in self._request.positions:
            match found.get(at):
                case DeadLetter() as dead_letter:
                    self._dead_letters.append(dead_letter)
                case None:
                    self._note(ClosingOutcome(at, "missing", detail="there is no dead letter"))
                case ValueError() as error:
                    self._note(ClosingOutcome(at, "refused", detail=f"it is no dead letter: {error}"))
        await self._leave_out_closed()

    async def prepare(self) -> None:
        """Make the messages, by the editor where that is asked for, and hold each against its contract."""
        for dead_letter in self._dead_letters:
            hindered = obstacle(dead_letter, self._request.options, edited=self._request.edit)
            if hindered is not None and not (hindered.reason is Reason.CONFLICT and self._request.anyway):
                self._note(_refused(dead_letter, hindered, self._request))
                continue
            try:
                prepared = await (
                    self._edited(dead_letter) if self._request.edit else self._as_it_is(dead_letter)
                )
            except Refusal as refusal:
                verdict = Rejected(refusal.reason, refusal.detail, refusal.field)
                self._note(_refused(dead_letter, verdict, self._request))
                continue
            if isinstance(prepared.verdict, Rejected) and not self._request.anyway:
                self._note(_refused(dead_letter, prepared.verdict, self._request, prepared))
            else:
                self._ready.append(prepared)
                self._note(_told("would_replay", prepared))

    async def send(self) -> None:
        """Publish what is ready, after a second look where many are meant, and what an audit still lacks."""
        if self._ready and self._request.many and not self._request.yes:
            so_far = [self.outcomes[one.dead_letter.position] for one in self._ready]
            confirm(len(self._ready), "sent", lambda: report(so_far, json=False), json=self._request.json)
        if self._request.edit:  # somebody else may have been quicker than the editor
            await self._leave_out_closed()
        await self._service.audit(self._unaudited, self._request.why)
        async for done in self._service.send(self._ready, self._request.why):
            self._note(_told("replayed", done))

    async def _leave_out_closed(self) -> None:
        resolutions = await self._service.resolutions(self._dead_letters)
        for dead_letter in self._dead_letters:
            resolution = resolutions.get(dead_letter.position)
            if resolution is None or (resolution.how == "discarded" and self._request.anyway):
                continue
            self._dead_letters = [one for one in self._dead_letters if one is not dead_letter]
            self._ready = [one for one in self._ready if one.dead_letter is not dead_letter]
            if resolution.how == "replayed" and not resolution.audited:
                self._unaudited.append(await self._as_it_is(dead_letter))
                detail = f"{resolution}; its audit event was missing and is written now"
                self._note(ClosingOutcome(dead_letter.position, "audited", dead_letter, detail))
            else:
                self._note(_closed(dead_letter, resolution))

    async def _as_it_is(self, dead_letter: DeadLetter) -> PreparedReplay:
        return await self._service.prepare(dead_letter, self._request.options)

    async def _edited(self, dead_letter: DeadLetter) -> PreparedReplay:
        request = self._request
        wanted = None if request.record_type is None else RecordType(request.record_type)
        form = await self._service.editable(dead_letter, wanted, request.contract_version)
        if form.problem:
            say(f"note: the bytes do not say it all: {visible(form.problem)}", err=True)
        text = form.text
        while True:
            text = await asyncio.to_thread(in_editor, text)
            try:
                prepared = await self._encoded(dead_letter, form, text)
                rejected = prepared.verdict if isinstance(prepared.verdict, Rejected) else None
            except Refusal as refusal:
                rejected = Rejected(refusal.reason, refusal.detail, refusal.field)
            if rejected is None:
                return prepared
            if not (request.interactive and typer.confirm(f"{_said(rejected)}\nEdit again?", default=True)):
                raise rejected.refusal

    async def _encoded(self, dead_letter: DeadLetter, form: Editable, text: str) -> PreparedReplay:
        return await self._service.prepare(dead_letter, self._request.options, (form, form.encoded(text)))

    def _note(self, outcome: ClosingOutcome) -> None:
        self.outcomes[outcome.position] = outcome


def _told(outcome: str, prepared: PreparedReplay) -> ClosingOutcome:
    sent, completed = prepared.message.draft, prepared.message.completed
    said = [f"to {sent.topic} as {replay_id_of(prepared.dead_letter.position)}"]
    if completed:
        said.append(f"completed {', '.join(completed)}")
    if prepared.message.fresh:
        said.append("counters start afresh")
    if prepared.version is not None:
        said.append(f"encoded against version {prepared.version}")
    if isinstance(prepared.verdict, Rejected):
        said.append(f"although the gate says {_said(prepared.verdict)}")
    return ClosingOutcome(
        prepared.dead_letter.position, outcome, prepared.dead_letter, "; ".join(said), _details(prepared)
    )


def _refused(
    dead_letter: DeadLetter, verdict: Rejected, request: Request, prepared: PreparedReplay | None = None
) -> ClosingOutcome:
    advice = "" if request.edit else _ADVICE.get(verdict.reason, _MEND)
    if verdict.field == CE.TYPE and verdict.reason is Reason.NOT_ADMITTED:
        advice = "; --header ce_type=TYPE corrects it"
    more = _details(prepared) if prepared else {"verdict": rejected_as_dict(verdict)}
    return ClosingOutcome(dead_letter.position, "refused", dead_letter, _said(verdict) + advice, more)


def _closed(dead_letter: DeadLetter, resolution: Resolution) -> ClosingOutcome:
    more = {"closed_at": resolution.at.isoformat(), "closed_by": resolution.who, "how": resolution.how}
    replay_id = replay_id_of(dead_letter.position)
    name = (
        f"; it came back as {replay_id}"
        if resolution.how == "replayed"
        else "; --anyway replays it nevertheless"
    )
    return ClosingOutcome(
        dead_letter.position, "closed", dead_letter, f"not again: it was {resolution}{name}", more
    )


def _said(verdict: Rejected) -> str:
    return f"{verdict.reason}: {verdict.detail}" + (f" (at {verdict.field})" if verdict.field else "")


_MEND: Final = "; --edit mends the record, --anyway sends it as it is"
_ADVICE: Final = {
    Reason.HEADER_INVALID: "; --key LEAD_ID gives the key and completes the headers",
    Reason.UNKNOWN_SCHEMA: "; register its schema, or mend the record with --edit",
    Reason.DEADLINE_EXCEEDED: "",  # says itself what to do
    Reason.CONFLICT: "",
}


def _details(prepared: PreparedReplay) -> dict[str, Any]:
    accepted = prepared.verdict if isinstance(prepared.verdict, Accepted) else None
    return {
        "topic": prepared.message.draft.topic,
        "replay_id": replay_id_of(prepared.dead_letter.position),
        "record_type": accepted.record_type if accepted else None,
        "contract_version": prepared.version or (accepted.contract.version if accepted else None),
        "completed_headers": list(prepared.message.completed),
        "fresh": prepared.message.fresh,
        "verdict": rejected_as_dict(prepared.verdict),
    }
