"""The folder of a stack: stores, logs, and the settings for a shell."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local_stack.progress import Progress
from signalbox.protocol.errors import ConfigurationError

ENVIRONMENT_FILE: Final = "env"

_FOLDERS: Final = ("data", "logs")


def make_stores(run_dir: Path, progress: Progress, foundation: str, brokers: int, *, kept: bool) -> None:
    """Empty the stores, unless the topics that they go with are still there (``kept``).

    What the stores of an agent or of the console say is true only beside the broker's own, so they are
    emptied when another foundation made them, too.

    Raises:
        ConfigurationError: another number of brokers made them; they are left as they are.
    """
    kept_with = run_dir / "data" / "kept-with"
    before, _, number = _text_of(kept_with).partition(" ")
    if not (kept and before == foundation):
        progress.say("this stack starts empty: topics and stores of an earlier run are removed")
        for folder in _FOLDERS:
            shutil.rmtree(run_dir / folder, ignore_errors=True)
    elif (number or "1") != str(brokers):
        raise ConfigurationError(
            f"the topics in {run_dir / 'data'} were made with BROKERS={number or 1}, not {brokers}: start"
            " with that, choose another RUN_DIR, or remove the folder (records and stores are lost then)"
        )
    for folder in _FOLDERS:
        (run_dir / folder).mkdir(mode=0o700, exist_ok=True)
        _close_to_others(run_dir / folder)
    kept_with.write_text(f"{foundation} {brokers}")
    _lead_to_the_keys(run_dir)


def _lead_to_the_keys(run_dir: Path) -> None:
    """Let the folder's former name lead to the keys: an agent may be started with an older environment."""
    former = run_dir / "tokens"
    if former.is_symlink():
        return
    shutil.rmtree(former, ignore_errors=True)
    (run_dir / "keys").mkdir(mode=0o700, exist_ok=True)
    former.symlink_to("keys")


def write_environment_file(run_dir: Path, settings: Mapping[str, str]) -> None:
    """Write settings as a file that a shell reads with ``.``."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
    path = run_dir / ENVIRONMENT_FILE
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("\n".join(lines) + "\n")


def _close_to_others(folder: Path) -> None:
    """Take from others what an earlier version left readable to them."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
