"""The contracts of this repository as they are committed, read without importing what is generated."""

from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("contracts/src/signalbox_contracts/schemas", "libs/core/src/signalbox/control/schemas")


@cache
def _files() -> dict[str, Path]:
    found = [path for folder in _FOLDERS for path in (_ROOT / folder).glob("*.avsc")]
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def record_types() -> tuple[str, ...]:
    return tuple(_files())


@cache
def schema_text(record_type: str) -> str:
    return _files()[record_type].read_text(encoding="utf-8")
