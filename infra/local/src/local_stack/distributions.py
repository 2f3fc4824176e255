"""The folders that a part of this repository is installed from: its own, and those of what it needs."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_NEED: Final = re.compile(r"(signalbox-[a-z-]+)(?:\[([a-z,]+)\])?")


def distributions(root: Path, folder: str) -> dict[str, frozenset[str]]:
    """Return the folders, from ``root``, that ``folder`` is installed from: what it needs comes before it.

    With each come its extras that are asked for, ``{"libs/core": {"models"}, "services/lead_scoring": {}}``.

    Raises:
        KeyError: it needs a distribution that is not in this repository.
    """
    known = {_project(path)["name"]: path for path in (root / "contracts", *sorted(root.glob("libs/*/")))}
    found: dict[str, frozenset[str]] = {}
    for part, extras in _in_order(root / folder, frozenset(), known):
        name = part.relative_to(root).as_posix()
        found[name] = found.get(name, frozenset()) | extras
    return found


def _in_order(
    part: Path, extras: frozenset[str], known: dict[str, Path]
) -> Iterator[tuple[Path, frozenset[str]]]:
    for need in _project(part)["dependencies"]:
        if ours := _NEED.fullmatch(need):
            yield from _in_order(known[ours[1]], frozenset(filter(None, (ours[2] or "").split(","))), known)
    yield part, extras


def _project(folder: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return project
