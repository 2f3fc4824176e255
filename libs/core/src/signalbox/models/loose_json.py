"""JSON as models write it: in prose, in a fence, twice encoded, with a comma too many."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

_THOUGHT: Final = re.compile(r"<(think|thinking|thought|reasoning)>.*?(</\1>|$)", re.DOTALL | re.IGNORECASE)
_STRAY_END: Final = re.compile(r"^.*</(?:think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_FENCE: Final = re.compile(r"\A\s*```[\w-]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_STRING_OR_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])', re.DOTALL)
_ENCODED: Final = 3
"""How many times JSON may be encoded as text in JSON."""
_MOST_OBJECTS: Final = 50


def parsed(text: str) -> Any:
    """Return what ``text`` says in JSON; None when it says nothing in it."""
    value: Any = text
    for _ in range(_ENCODED):
        if not isinstance(value, str):
            break
        value = _read(value)
    return None if isinstance(value, str) else value


def objects_in(text: str) -> Iterator[Any]:
    """Give the outermost JSON objects that stand in ``text``, in their order."""
    whole = parsed(_FENCE.sub(r"\1", text))
    if whole is not None:
        yield whole
        return
    decoder = json.JSONDecoder(parse_constant=_no_number)
    plain, at = _without_spare_commas(text), 0
    for _ in range(_MOST_OBJECTS):
        at = plain.find("{", at)
        if at < 0:
            return
        try:
            value, at = decoder.raw_decode(plain, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            yield value


def without_thoughts(text: str) -> str:
    """Return ``text`` without what a model thought aloud in tags before its answer."""
    return _STRAY_END.sub("", _THOUGHT.sub("", text), count=1).strip()


def _read(text: str) -> Any:
    text = _FENCE.sub(r"\1", text)
    for candidate in (text, _without_spare_commas(text)):
        try:
            return json.loads(candidate, parse_constant=_no_number)
        except (ValueError, RecursionError):
            continue
    return None


def _without_spare_commas(text: str) -> str:
    return _STRING_OR_COMMA.sub(lambda found: found[1] or "", text)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
