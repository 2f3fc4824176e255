"""Findings as annotations of GitHub Actions, which shows them beside the lines of a pull request.

Source: GitHub Docs, *Workflow commands for GitHub Actions*, setting an error message.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.places import place_of
from signalbox_operations.contracts.sources import Sources
from signalbox_operations.contracts.verdict import CompatibilityFinding, Severity

_COMMANDS: Final = {Severity.BREAKS: "error", Severity.WARNS: "warning", Severity.NOTES: "notice"}
_IN_MESSAGES: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTIES: Final = _IN_MESSAGES | {":": "%3A", ",": "%2C"}


def annotation(record_type: RecordType, finding: CompatibilityFinding, sources: Sources) -> str:
    """Return the workflow command that shows ``finding`` where its field is written."""
    path, position = place_of(sources, record_type, finding.path)
    properties = {
        "file": _from_here(path),
        "line": str(position.line),
        "col": str(position.column),
        "title": f"{record_type} {finding.severity}",
    }
    told = ",".join(f"{name}={_escaped(value, _IN_PROPERTIES)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {told}::{_escaped(str(finding), _IN_MESSAGES)}"


def _from_here(path: Path) -> str:
    here, absolute = Path.cwd(), path.absolute()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else path).as_posix()


def _escaped(text: str, codes: Mapping[str, str]) -> str:
    return "".join(codes.get(char, char) for char in text)
