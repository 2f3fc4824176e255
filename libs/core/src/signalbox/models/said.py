"""What a model said to one request: plain values, so that offline no provider is imported."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it came: its words, and the arguments of its calls as objects or JSON text.

    ``was_cut``: it ended at the bound of its tokens. ``was_filtered``: a content filter stopped it.
    """

    words: str = ""
    calls: tuple[dict[str, Any] | str, ...] = ()
    was_cut: bool = False
    was_filtered: bool = False
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def text(self) -> str:
        """All of it as text."""
        calls = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in self.calls)
        return "\n".join(part for part in (self.words, *calls) if part)
