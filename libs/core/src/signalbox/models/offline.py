"""The offline stand-in: it answers with what the caller worked out by rules. It is not an LLM.

Its answer goes through the same validation, checks and retries as that of a real model.
"""

from typing import Any

from signalbox.models.said import Said


def stand_in_says(answer: dict[str, Any], asked: str) -> Said:
    """Give ``answer`` to what was ``asked``; a word counts as a token."""
    return Said(calls=(answer,), input_tokens=len(asked.split()), output_tokens=len(str(answer).split()))
