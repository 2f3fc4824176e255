"""What the processes of a stack logged while a test ran, for the report of one that failed."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from local_stack.logs import log_path
from local_stack.recorded import RecordedStack

_NOISE = re.compile(r"^\s+at |Connection refused|could not be established|FetchRequest|IOException")
LINES_OF_A_PROCESS = 60
LINE_AT_MOST = 400
EVERYDAY = {"debug", "info"}
TELLING = {"assigned", "dead-lettered"}
"""Everyday events that explain why nothing moved."""


def stacks_among(values: Iterable[object]) -> list[RecordedStack]:
    """Return the stacks among a test's fixtures, and those that an operator among them has."""
    found = (value if isinstance(value, RecordedStack) else getattr(value, "stack", None) for value in values)
    return list({id(stack): stack for stack in found if isinstance(stack, RecordedStack)}.values())


def complaints_since(stack: RecordedStack, began: float) -> str:
    """Return what the processes complained of since ``began``, in seconds since the epoch."""
    since = datetime.fromtimestamp(began, UTC).isoformat()
    return "\n".join(
        f"{path.stem}: {line[:LINE_AT_MOST]}"
        for path in sorted(log_path(stack.run_dir, "any").parent.glob("*.log"))
        for line in list(_complaints(path, since))[-LINES_OF_A_PROCESS:]
    )


def _complaints(path: Path, since: str) -> Iterator[str]:
    for line in path.read_text(errors="replace").splitlines():
        if not line.startswith("{"):  # the broker's, the registry's, and those of the Kafka client
            if " INFO " not in line and not _NOISE.search(line):
                yield line
            continue
        try:
            entry = json.loads(line)
        except ValueError:  # cut short by the end of its process
            yield line
            continue
        is_everyday = entry.get("level") in EVERYDAY and entry.get("event") not in TELLING
        if entry.get("timestamp", "") >= since and not is_everyday:
            yield line
