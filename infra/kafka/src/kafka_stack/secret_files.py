"""Files that only their owner reads."""

import os
import secrets
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Write ``text``; nobody else could read it at any moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def password_file(path: Path) -> Path:
    """Return ``path``, with a password of its own in it since the first call."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(24) + "\n")
    return path
