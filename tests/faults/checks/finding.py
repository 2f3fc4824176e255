"""What a check says: how much it looked at, and what was wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from evidence import Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """``checked`` things were looked at, ``problems`` were found; ``counts`` are for the reader.

    A check that found nothing to look at proves nothing: it counts as failed.
    """

    checked: int
    problems: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True when something was looked at and all of it was well."""
        return self.checked > 0 and not self.problems


Check = Callable[[Evidence], Finding]
