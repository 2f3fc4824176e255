"""Runs in a file, so that two of them can be compared later."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from signalbox.protocol.errors import ConfigurationError
from signalbox_decide.evaluation.answers import Run
from signalbox_decide.evaluation.cases import Part


class Saved(BaseModel):
    """The rows of one evaluation; the first is the one that was asked for.

    ``set_digest`` is the SHA-256 of the set's bytes, ``instructions_digest`` that of the prompt's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    set_digest: str
    instructions_digest: str
    part: Part
    runs: tuple[Run, ...]

    def row(self, name: str) -> Run:
        """Return the run ``name``, or the first when it is empty.

        Raises:
            ConfigurationError: there is none of that name; the text lists those that there are.
        """
        for run in self.runs:
            if name in ("", run.name):
                return run
        raise ConfigurationError(f"no row {name!r}; there are: {', '.join(run.name for run in self.runs)}")


def save(file: Path, saved: Saved) -> None:
    """Write ``saved`` as JSON.

    Raises:
        ConfigurationError: the file can't be written.
    """
    try:
        file.write_text(saved.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: can't be written: {error}") from error


def load(file: Path) -> Saved:
    """Read what :func:`save` wrote.

    Raises:
        ConfigurationError: it can't be read, or is something else.
    """
    try:
        return Saved.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file}: can't be read: {error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the whole"
        raise ConfigurationError(f"{file}: is no saved evaluation: {place}: {fault['msg']}") from error


def digest_of(texts: Sequence[bytes]) -> str:
    """Return the SHA-256 of ``texts`` together, in hexadecimal."""
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
