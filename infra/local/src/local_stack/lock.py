"""One command at a time works on a stack."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signalbox.protocol.errors import ConfigurationError


@contextmanager
def exclusive(run_dir: Path, what: str, *, patience_s: float = 0) -> Iterator[None]:
    """Hold the stack's lock; the system gives it back when the process ends, however it ends.

    Meanwhile ``run_dir`` and what is made in it is the user's alone, since it holds leads and keys.

    Raises:
        ConfigurationError: another command holds it for longer than ``patience_s``.
    """
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        _close_to_others(run_dir)
        with _locked_file(run_dir, what, patience_s):
            yield
    finally:
        os.umask(before)


def _close_to_others(run_dir: Path) -> None:
    # A folder that several users share, as /tmp is one, is not ours to close.
    status = run_dir.stat()
    if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
        run_dir.chmod(0o700)


@contextmanager
def _locked_file(run_dir: Path, what: str, patience_s: float) -> Iterator[None]:
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
