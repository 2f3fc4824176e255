"""One command at a time works on a stack."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signalbox.errors import ConfigurationError


@contextmanager
def exclusive(run_dir: Path, what: str, *, patience_s: float = 0) -> Iterator[None]:
    """Hold the stack's lock; the system gives it back when the process ends, however it ends.

    Raises:
        ConfigurationError: another command holds it for longer than ``patience_s``.
    """
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds leads and tokens
    path = run_dir / "lock"
    with path.open("a+") as file:
        deadline = time.monotonic() + patience_s
        while not _locked(file.fileno()):
            if time.monotonic() >= deadline:
                holder = path.read_text().strip() or "another command"
                raise ConfigurationError(f"`{holder}` is at work on this stack; wait for it, or stop it")
            time.sleep(0.1)
        file.truncate(0)
        file.write(what)
        file.flush()
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
