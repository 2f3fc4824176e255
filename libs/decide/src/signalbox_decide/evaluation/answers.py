"""What a router said on a case, and a whole run of it."""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from signalbox_decide.evaluation.cases import Case

UNROUTABLE: Final = "UNROUTABLE"
"""Stands for an agent where the model named no candidate, nor ``NONE``."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(_Frozen):
    """``said`` is an agent's id, ``NONE`` or ``UNROUTABLE``; the latency is in milliseconds.

    ``confidence`` is from 0 to 1, where the router tells one.
    """

    said: str
    reason: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: int = 0
    confidence: float | None = None


class Judged(_Frozen):
    """An answer beside its case's label."""

    case_id: str
    domain: str
    record_type: str
    candidates: int = Field(ge=1)
    tags: tuple[str, ...]
    label: str
    why: str
    answer: Answer

    @property
    def is_right(self) -> bool:
        """True when the label was said."""
        return self.answer.said == self.label


class Run(_Frozen):
    """Everything that one router said on a part of a set; ``model`` is empty where none was asked."""

    name: str
    model: str
    judged: tuple[Judged, ...]


def judged(case: Case, answer: Answer) -> Judged:
    """Put ``answer`` beside the label of ``case``."""
    return Judged(
        case_id=case.id,
        domain=case.domain,
        record_type=case.record_type,
        candidates=len(case.candidates),
        tags=case.tags,
        label=case.label,
        why=case.why,
        answer=answer,
    )


def right_of(all_judged: Sequence[Judged]) -> int:
    """Count the answers that are right."""
    return sum(one.is_right for one in all_judged)
