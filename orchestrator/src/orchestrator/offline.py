"""The router's offline stand-in: not an LLM, but a word score, so that the system runs with no key.

It knows no agent by name. Words that only some of the candidates' definitions use tell them apart, so
they weigh more; words of the message that stand in values weigh as much as those that name fields.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from signalbox.agent import AgentDefinition

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_ENDINGS: Final = ("ing", "ed", "es", "s", "e")


def best_match(message: str, candidates: Sequence[AgentDefinition]) -> dict[str, Any]:
    """Return the candidate whose definition shares the most telling words with ``message``.

    The scores are fixed by the texts alone; on a tie the first candidate wins.
    """
    definitions = [Counter(_words(f"{agent.name} {agent.description}")) for agent in candidates]
    spread = Counter(word for words in definitions for word in words)
    said = Counter(_words(message))
    weight = {word: math.log(1 + len(candidates) / count) for word, count in spread.items()}
    scores = [
        sum(weight[word] * min(said[word], 3) for word in words if word in said) for words in definitions
    ]
    best = max(range(len(candidates)), key=lambda index: scores[index])
    shared = sorted(word for word in definitions[best] if word in said)[:8]
    reason = f"offline stand-in (a word score, not an LLM): score {scores[best]:.2f}, shared {shared}"
    return {"agent": candidates[best].id, "reason": reason}


def _words(text: str) -> list[str]:
    return [_stem(word) for word in _WORD.findall(text.lower().replace("_", " "))]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:  # noqa: PLR2004 - what is left is a word
            return word[: -len(ending)]
    return word
