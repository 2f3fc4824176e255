"""Labelled cases: a message as the router sees it, who may take it, and who should."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId, RecordType

Part = Literal["train", "held_out", "all"]
_SHOWN: Final = 3


class Case(BaseModel):
    """One line of a set. ``label`` is one of ``candidates``, or ``NONE``; ``why`` says in a sentence why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200)
    split: Literal["train", "held_out"]
    domain: str = Field(min_length=1)
    record_type: RecordType = Field(min_length=1)
    record: dict[str, Any]
    candidates: tuple[AgentId, ...] = Field(min_length=1)
    label: str
    why: str = Field(min_length=1)
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _label_can_be_given(self) -> Self:
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError("a candidate is named twice")
        if self.label not in (*self.candidates, NO_AGENT):
            raise ValueError(f"the label {self.label!r} is neither a candidate nor {NO_AGENT}")
        return self


def read_cases(file: Path) -> list[Case]:
    """Read a set: JSON lines, empty ones skipped.

    Raises:
        ConfigurationError: names the file, the line and what is wrong there; at most three lines are named.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: can't be read: {error}") from error
    cases, faults = [], []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                cases.append(_case(line, number, seen))
            except ValueError as error:
                faults.append(f"{file}:{number}: {error}")
    if faults:
        more = [f"and {len(faults) - _SHOWN} more lines"] if len(faults) > _SHOWN else []
        raise ConfigurationError("\n".join([*faults[:_SHOWN], *more]))
    if not cases:
        raise ConfigurationError(f"{file}: holds no case")
    return cases


def part_of(cases: Sequence[Case], part: Part) -> list[Case]:
    """Return the cases of ``part``, in their order.

    Raises:
        ConfigurationError: there are none.
    """
    found = [case for case in cases if part in ("all", case.split)]
    if not found:
        raise ConfigurationError(f"the set has no case in the part {part!r}")
    return found


def _case(line: str, number: int, seen: dict[str, int]) -> Case:
    try:
        case = Case.model_validate(json.loads(line))
    except ValidationError as error:
        raise ValueError("; ".join(_faults(error))) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from error
    if case.id in seen:
        raise ValueError(f"the id {case.id!r} stands in line {seen[case.id]} already")
    seen[case.id] = number
    return case


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(map(str, fault["loc"]))
        yield f"{place}: {fault['msg']}" if place else fault["msg"].removeprefix("Value error, ")
