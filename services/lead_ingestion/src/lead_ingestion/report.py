"""What the model is asked for: the report without its sources, which the code knows better."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Research(BaseModel):
    """The findings about one lead, in English."""

    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    industry: Line | None = Field(default=None, description="null unless the data says it")
    company_size: Line | None = Field(default=None, description="in words or as a range; null unless known")
    pain_points: list[Line] = Field(default_factory=list, max_length=8)
    buying_signals: list[Line] = Field(default_factory=list, max_length=8)
