"""The router's offline stand-in: not an LLM, but a word score, so that the system runs with no key.

It knows no agent by name. Words that only some of the candidates' definitions use tell them apart, so
they weigh more; words of the message that stand in values weigh as much as those that name fields.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from signalbox.protocol.agent_definition import AgentDefinition

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
_ENDINGS: Final = ("ing", "ed", "es", "s", "e")
_COMMON: Final = frozenset(
    {"from", "have", "into", "more", "than", "that", "their", "them", "then", "they", "this", "what", "when"}
    | {"with", "your"}
)
_SHORTEST: Final = 4
_ENOUGH: Final = 3
"""A word that is repeated more often than this says no more by it."""
_SHOWN: Final = 6


def best_match(message: str, candidates: Sequence[AgentDefinition]) -> dict[str, Any]:
    """Return the candidate whose definition shares the most telling words with ``message``.

    The scores are fixed by the texts alone; on a tie the first candidate wins.
    """
    definitions = [_words(f"{agent.name} {agent.description}") for agent in candidates]
    spread = Counter(stem for words in definitions for stem in words)
    weight = {stem: math.log(1 + len(candidates) / count) for stem, count in spread.items()}
    said = Counter(stem for word in _WORD.findall(_spaced(message)) if (stem := _stem(word)))
    scores = [
        sum(weight[stem] * min(said[stem], _ENOUGH) for stem in words if stem in said)
        for words in definitions
    ]
    best = max(range(len(candidates)), key=lambda index: scores[index])
    shared = sorted(
        (stem for stem in definitions[best] if stem in said), key=lambda stem: (-weight[stem], stem)
    )
    words = ", ".join(definitions[best][stem] for stem in shared[:_SHOWN]) or "no word"
    reason = f"offline stand-in, a word score and not an LLM: shares {words} (score {scores[best]:.1f})"
    return {"agent": candidates[best].id, "reason": reason}


def _words(text: str) -> dict[str, str]:
    """Return each word of ``text`` by its stem, in the form in which it stands there first."""
    found: dict[str, str] = {}
    for word in _WORD.findall(_spaced(text)):
        found.setdefault(_stem(word), word)
    found.pop("", None)
    return found


def _spaced(text: str) -> str:
    return text.lower().replace("_", " ")


def _stem(word: str) -> str:
    if word in _COMMON:
        return ""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            return word[: -len(ending)]
    return word
