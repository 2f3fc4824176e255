"""Files that only their owner reads."""

import secrets
from pathlib import Path

from signalbox.process.private_files import write_private


def password_file(path: Path) -> Path:
    """Return ``path``, with a password of its own in it since the first call."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24) + "\n")
    return path
