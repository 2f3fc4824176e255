"""The preloaded library of ``preload.c``: compiled here, and told what to do through a file per service."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_suffix(".c")
_FOLDER_LENGTH: Final = 1024
# The same layout as `struct control`: the clock's offset, whether the disk is full, how many writes were
# refused, and the folder that is full.
_CLOCK: Final = struct.Struct("=q")
_FULL: Final = struct.Struct("=i")
_REFUSED: Final = struct.Struct("=i")
_FULL_AT: Final = _CLOCK.size
_REFUSED_AT: Final = _FULL_AT + _FULL.size
_FOLDER_AT: Final = _REFUSED_AT + _REFUSED.size
_SIZE: Final = _FOLDER_AT + _FOLDER_LENGTH


class NoCompiler(Exception):
    """There is no C compiler here, so clocks can't jump and disks can't be full."""


def compiled(folder: Path) -> Path:
    """Compile the library into ``folder`` and return it.

    Raises:
        NoCompiler: there is no compiler, or it can't.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompiler("no C compiler (cc, gcc or clang) is installed")
    library = folder / "preload.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-builtin"]
    command = [compiler, *flags, "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoCompiler(f"{compiler} can't compile {_SOURCE.name}: {done.stderr.strip()}")
    return library


class Control:
    """What one service's process is told; it holds for the next process of that name, too."""

    def __init__(self, folder: Path, service: str) -> None:
        self._file = folder / service
        if not self._file.exists():
            self._file.write_bytes(bytes(_SIZE))

    def shift_clock(self, seconds: float) -> None:
        """Let the wall clock be off by ``seconds`` from now on; 0 is right again."""
        self._write(0, _CLOCK.pack(round(seconds * 1000)))

    def fill_disk(self, folder: Path) -> None:
        """Refuse each write to a file below ``folder``: no space is left on the device."""
        path = f"{folder.resolve()}/".encode()
        if len(path) >= _FOLDER_LENGTH:
            raise ValueError(f"{folder} is too long a path")
        self._write(_FOLDER_AT, path.ljust(_FOLDER_LENGTH, b"\0"))
        self._write(_FULL_AT, _FULL.pack(1))

    def free_disk(self) -> None:
        """Let the disk have space again."""
        self._write(_FULL_AT, _FULL.pack(0))

    @property
    def refused(self) -> int:
        """How many writes were refused so far, since the disk was full."""
        refused: int = _REFUSED.unpack_from(self._file.read_bytes(), _REFUSED_AT)[0]
        return refused

    def _write(self, at: int, data: bytes) -> None:
        with self._file.open("r+b", buffering=0) as file:
            file.seek(at)
            file.write(data)


class Preload:
    """The library and the files of all services, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        """Compile.

        Raises:
            NoCompiler: there is no compiler, or it can't.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._library = compiled(folder)
        self._controls = folder / "controls"
        self._controls.mkdir(exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be told anything; the stack itself names the service."""
        return {"LD_PRELOAD": str(self._library), "FAULT_CONTROLS": str(self._controls)}

    def control(self, service: str) -> Control:
        """Return the control of a service; its process must start after this was called first."""
        return Control(self._controls, service)
