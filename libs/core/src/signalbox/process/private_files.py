"""Files that only their owner reads, and that no one ever sees half written."""

import os
import tempfile
from pathlib import Path


def private_draft(path: Path, text: str) -> Path:
    """Write ``text`` beside ``path`` under a name of its own, to be moved or linked there; mode 0600."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(draft)


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step; no one else could read it at any moment."""
    private_draft(path, text).replace(path)
