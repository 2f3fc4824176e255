"""The services' logs, one file each."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.2


def log_path(run_dir: Path, service: str) -> Path:
    return run_dir / "logs" / f"{service}.log"


def tail(path: Path, count: int) -> list[str]:
    """Return the last ``count`` lines; none when there is no log yet."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def follow(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each line that is added from now on, forever; a file that appears or is emptied is read again."""
    return _follow({path: _size(path) for path in paths})


def _follow(positions: dict[Path, int]) -> Iterator[tuple[Path, str]]:
    while True:
        for path, position in positions.items():
            start = position if _size(path) >= position else 0
            lines, positions[path] = _lines_from(path, start)
            yield from ((path, line) for line in lines)
        time.sleep(_POLL_S)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _lines_from(path: Path, position: int) -> tuple[list[str], int]:
    if not path.exists():
        return [], position
    with path.open("rb") as file:
        file.seek(position)
        complete, newline, _ = file.read().rpartition(b"\n")
    text = (complete + newline).decode(errors="replace")
    return text.splitlines(), position + len(complete) + len(newline)
