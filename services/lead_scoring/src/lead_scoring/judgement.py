"""What the model is asked for: the judgement, without the lead that it is about."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

Point = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Step = Literal["ACTIVELY_ENGAGE", "NURTURE", "DISQUALIFY"]
"""The steps that may be chosen. ``UNKNOWN`` is for readers of records that are newer than they are."""


class Judgement(BaseModel):
    """How well a lead fits, and what should be done next."""

    score: int = Field(ge=0, le=100)
    next_step: Step
    talking_points: list[Point] = Field(default_factory=list, max_length=8)
    rationale: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_500)]
