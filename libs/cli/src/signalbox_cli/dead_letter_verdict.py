"""What a dead letter was written with, is held against now, and what the gate says of it now."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from signalbox.gate import Rejected
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.errors import Refusal, SignalboxError
from signalbox.protocol.names import RecordType
from signalbox.protocol.records import Record
from signalbox_cli.output import say
from signalbox_operations.replay import DeadLetterService, open_dead_letter_service
from signalbox_operations.replay.held_against import contract_as_dict
from signalbox_operations.replay.service import type_of


def verdict_on(dead_letter: Mapping[str, Any]) -> dict[str, Any]:
    """Return it for JSON; ``unknown`` says why it can't be told, and is empty when it can."""
    record = Record(
        dead_letter["topic"],
        dead_letter["partition"],
        dead_letter["offset"],
        _bytes(dead_letter["key_base64"]),
        _bytes(dead_letter["value_base64"]),
        tuple((header["name"], _bytes(header["base64"])) for header in dead_letter["headers"]),
    )
    try:
        return asyncio.run(_verdict(DeadLetter.of(record)))
    except (SignalboxError, ValueError) as error:
        return {"unknown": str(error), "written_with": None, "contract": None, "verdict": None}


def warn_of_version(record_type: RecordType, version: int, why: str) -> None:
    """Say on standard error that a registered version does not hold."""
    say(f"note: version {version} of {record_type} is not held to: {why}", err=True)


def rejected_as_dict(verdict: object) -> dict[str, str] | None:
    """Return a rejection for JSON; None for anything else."""
    if not isinstance(verdict, Rejected):
        return None
    return {"reason": verdict.reason.value, "detail": verdict.detail, "field": verdict.field}


async def _verdict(dead_letter: DeadLetter) -> dict[str, Any]:
    async with open_dead_letter_service("", warn_of_version) as service:
        written = await service.written_with(dead_letter)
        try:
            contract = contract_as_dict(await service.contract_of(type_of(dead_letter, written)))
        except Refusal:
            contract = None
        return {
            "unknown": "",
            "written_with": written.as_dict() if written else None,
            "contract": contract,
            "verdict": rejected_as_dict(await _checked(service, dead_letter)),
        }


async def _checked(service: DeadLetterService, dead_letter: DeadLetter) -> object:
    return await service.verdict(dead_letter)


def _bytes(encoded: str | None) -> bytes | None:
    return None if encoded is None else base64.b64decode(encoded)
