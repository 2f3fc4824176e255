"""What both domains' cases are made with: the texts, drawing without chance, and a case's fields."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

T = TypeVar("T")
NONE: Final = "NONE"
TEXTS: Final = Path(__file__).resolve().parent / "texts"
_LONG: Final = 12_000
"""Characters of a very long text: near the router's limit of 16,000, and below it with the record around."""


@cache
def texts(name: str) -> dict[str, Any]:
    """Read one file of texts."""
    read: dict[str, Any] = yaml.safe_load((TEXTS / f"{name}.yaml").read_text(encoding="utf-8"))
    return read


def drawn(options: Sequence[T], key: str) -> T:
    """Return one of ``options``, always the same for a key."""
    return options[int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % len(options)]


def hostile(key: str, label: str, candidates: Sequence[str]) -> str:
    """Return a text that tells the router to choose another one than ``label``."""
    others = [agent for agent in (*candidates, NONE) if agent != label]
    return str(drawn(texts("sdr")["hostile"], key)).format(other=drawn(others, f"{key} other"))


def long(text: str, key: str) -> str:
    """Return ``text`` with about 12,000 characters behind it that say nothing."""
    filler = texts("sdr")["filler"]
    lines = [text]
    while sum(map(len, lines)) < _LONG:
        lines.append(drawn(filler, f"{key} {len(lines)}"))
    return " ".join(lines)


def case(
    case_id: str,
    record_type: str,
    record: Mapping[str, Any],
    candidates: Sequence[str],
    label: str,
    why: str,
    tags: Sequence[str],
) -> dict[str, Any]:
    """Put a case together; its domain is the record type's namespace."""
    return {
        "id": case_id,
        "domain": record_type.partition(".")[0],
        "record_type": record_type,
        "record": record,
        "candidates": sorted(candidates),
        "label": label,
        "why": why,
        "tags": sorted(tags),
    }
