"""Sending a file of leads to lead capture: a CSV as it is, JSON lines one by one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2

from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox_cli.console_client import Refused, Service, json_object, problem

_JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
_IMPORT_TIMEOUT_S: Final = 300.0
_INVALID: Final = 422


@dataclass(slots=True)
class Sent:
    """What became of a file: the ids of the accepted leads, and per refused row its line and problems."""

    lead_ids: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as lead capture's import answers it."""
        counts = {"accepted": len(self.lead_ids), "rejected": len(self.errors)}
        stopped = {"stopped": self.stopped} if self.stopped else {}
        return counts | {"lead_ids": self.lead_ids, "errors": self.errors} | stopped


def send_file(lead_capture: Service, file: Path) -> Sent:
    """Send the leads of ``file``.

    Raises:
        ConfigurationError: the file can't be read.
        Refused: lead capture refuses the file as a whole.
        Unavailable: it does not answer; for JSON lines the text says up to which line it did.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    if file.suffix.lower() in _JSON_LINES:
        return _send_lines(lead_capture, content)
    return _import(lead_capture, file.name, content)


def _import(lead_capture: Service, name: str, content: bytes) -> Sent:
    answer = lead_capture.call(
        "POST", "/leads/import", files={"file": (name, content, "text/csv")}, timeout=_IMPORT_TIMEOUT_S
    )
    if answer.is_error:
        raise Refused(f"{lead_capture.name} refuses the file: {problem(answer)}")
    body = json_object(answer)
    try:
        return Sent(list(body["lead_ids"]), list(body["errors"]), body.get("stopped"))
    except KeyError as error:
        raise Unavailable(lead_capture.name, f"its answer has no {error}; is it another program?") from error


def _send_lines(lead_capture: Service, content: bytes) -> Sent:
    sent = Sent()
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            answer = lead_capture.call("POST", "/leads", json=json.loads(line))
        except ValueError as error:
            sent.errors.append(_error(number, [{"field": "", "detail": f"not JSON: {error}"}]))
        except Unavailable as error:
            done = (
                f"{error.detail}; stopped at line {number}, {len(sent.lead_ids)} leads were accepted before"
            )
            raise Unavailable(error.what, done) from error
        else:
            _note(sent, number, answer)
    return sent


def _note(sent: Sent, number: int, answer: httpx2.Response) -> None:
    if answer.is_success:
        sent.lead_ids.append(str(json_object(answer)["lead_id"]))
    else:
        sent.errors.append(_error(number, list(_problems(answer))))


def _problems(answer: httpx2.Response) -> Iterator[dict[str, str]]:
    body = json_object(answer) if answer.status_code == _INVALID else {}
    found = body.get("problems") or body.get("errors") or []
    for one in found:
        yield {"field": str(one.get("field", "")), "detail": str(one.get("detail", ""))}
    if not found:
        yield {"field": "", "detail": problem(answer)}


def _error(line: int, problems: list[dict[str, str]]) -> dict[str, Any]:
    return {"line": line, "problems": problems}
