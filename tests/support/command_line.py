"""The command ``signalbox`` in the test's own process: how it ended, and what it printed."""

import json
from typing import Any, NamedTuple

import pytest

from signalbox_cli.app import main


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def outcome_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run the command with ``arguments``; a status that is a text counts as 1, as Python has it."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main([str(one) for one in arguments])
    printed = capsys.readouterr()
    code = exit_.value.code
    return Outcome(code if isinstance(code, int) else 0 if code is None else 1, printed.out, printed.err)
