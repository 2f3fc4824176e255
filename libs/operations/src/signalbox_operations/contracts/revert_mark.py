"""The attribute that tells a text that was registered again from the version that it repeats."""

import json
from typing import Any, Final

_MARK: Final = "signalbox:repeats"


def marked(text: str, repeats: str) -> str:
    """Return ``text`` with ``repeats``, such as ``version 1, after version 3``, as its mark."""
    return json.dumps({**_unmarked(text), _MARK: repeats}, indent=2, ensure_ascii=False) + "\n"


def says_the_same(one: str, other: str) -> bool:
    """Say whether two texts differ in their marks at most."""
    return bool(_unmarked(one) == _unmarked(other))


def _unmarked(text: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(text).items() if name != _MARK}
