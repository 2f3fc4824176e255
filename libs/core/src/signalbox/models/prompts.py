"""Prompts have versions: what a model was told is known long after its prompt was changed."""

import hashlib
from functools import lru_cache
from typing import Final

_SHOWN: Final = 12


@lru_cache(maxsize=256)
def prompt_version(instructions: str) -> str:
    """Return the beginning of the SHA-256 of a prompt's text, 12 hexadecimal digits."""
    return hashlib.sha256(instructions.encode()).hexdigest()[:_SHOWN]
