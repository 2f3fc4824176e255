"""``signalbox status``: which processes of the local stack run, and which of them are ready.

Reads ``stack.json``, which the local stack writes, and asks each process itself.
"""

import http.client
import json as json_format
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from signalbox.errors import ConfigurationError

STACK_FILE: Final = "stack.json"
_PROBE_TIMEOUT_S: Final = 1.0
_HTTP_OK: Final = 200


@dataclass(frozen=True, slots=True)
class StackProcess:
    """One process of the stack as ``stack.json`` keeps it.

    ``readyz`` is empty for the broker, which speaks no HTTP; ``create_time`` is in seconds since the
    epoch and tells this process from a later one with the same pid.
    """

    service: str
    pid: int
    create_time: float
    address: str
    host: str
    port: int
    readyz: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a process answered: ``detail`` says what it waits for, or why there was no answer."""

    ready: bool
    detail: str = ""


_STACK: Final = TypeAdapter(list[StackProcess])


def find_run_dir() -> Path:
    """Find the stack's folder: ``RUN_DIR``, else ``.run`` from here upward, else beside the environment."""
    if chosen := os.environ.get("RUN_DIR"):
        return Path(chosen).absolute()
    here = Path.cwd()
    roots = [here, *here.parents, Path(sys.prefix).parent]
    found = (root / ".run" for root in roots if (root / ".run" / STACK_FILE).is_file())
    return next(found, here / ".run")


def read_stack(run_dir: Path) -> list[StackProcess]:
    """Read what was started, in the order in which it was started; empty when there is no stack.

    Raises:
        ConfigurationError: the file is there but is not what the local stack writes.
    """
    path = run_dir / STACK_FILE
    try:
        return _STACK.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise ConfigurationError(f"{path} can't be read; `make down` stops what is left over") from error


def write_stack(run_dir: Path, processes: Sequence[StackProcess]) -> None:
    """Replace ``stack.json`` in one step, so that no reader sees half of it."""
    path = run_dir / STACK_FILE
    new = path.with_suffix(".new")
    new.write_bytes(_STACK.dump_json(list(processes), indent=2))
    new.replace(path)


def probe(process: StackProcess) -> Readiness:
    """Ask a process whether it is ready; takes about a second at most."""
    try:
        if not process.readyz:
            return _kafka_answer(process.host, process.port)
        return _http_answer(process.host, process.port, process.readyz)
    except (OSError, http.client.HTTPException) as error:
        return Readiness(False, f"no answer: {error}")


def probe_all(processes: Sequence[StackProcess]) -> list[Readiness]:
    """Ask all processes at the same time."""
    if not processes:
        return []
    with ThreadPoolExecutor(len(processes)) as pool:
        return list(pool.map(probe, processes))


def is_running(process: StackProcess) -> bool:
    """Tell whether a process with this id exists; the probe tells whether it is the right one."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(process.pid)


def status(
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects instead of lines.")] = False,
) -> None:
    """Show each process of the local stack: its id, its address, and whether it is ready.

    Exits with 0 only when there is a stack and all of it is ready.
    """
    try:
        processes = read_stack(find_run_dir())
    except ConfigurationError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    answers = [
        answer if is_running(process) else Readiness(False, "not running")
        for process, answer in zip(processes, probe_all(processes), strict=True)
    ]
    typer.echo(_as_json(processes, answers) if json else _as_lines(processes, answers))
    if not (answers and all(answer.ready for answer in answers)):
        raise typer.Exit(1)


def _is_zombie(pid: int) -> bool:
    """Tell whether the process has ended and only its entry is left; always False where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _as_json(processes: Sequence[StackProcess], answers: Sequence[Readiness]) -> str:
    objects = [
        {
            "service": process.service,
            "pid": process.pid if is_running(process) else None,
            "address": process.address,
            "ready": answer.ready,
        }
        for process, answer in zip(processes, answers, strict=True)
    ]
    return json_format.dumps(objects, indent=2)


def _as_lines(processes: Sequence[StackProcess], answers: Sequence[Readiness]) -> str:
    if not processes:
        return "no stack is up: `make up` starts it"
    return "\n".join(
        f"{process.service:<18} {process.pid:>8}  {process.address:<28} "
        + ("ready" if answer.ready else f"NOT READY  {answer.detail}")
        for process, answer in zip(processes, answers, strict=True)
    )


def _http_answer(host: str, port: int, path: str) -> Readiness:
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(4096)
    finally:
        connection.close()
    return (
        Readiness(True) if answer.status == _HTTP_OK else Readiness(False, _waiting_for(answer.status, body))
    )


def _waiting_for(status_code: int, body: bytes) -> str:
    try:
        waiting_for = json_format.loads(body)["waiting_for"]
        return "waits for " + ", ".join(map(str, waiting_for))
    except (ValueError, KeyError, TypeError):
        return f"answers {status_code}"


def _kafka_answer(host: str, port: int) -> Readiness:
    """Ask for the broker's API versions (Kafka protocol, ApiVersions, version 0)."""
    api_versions, version, correlation_id, no_client_id = 18, 0, 1, -1
    request = struct.pack(">hhih", api_versions, version, correlation_id, no_client_id)
    with socket.create_connection((host, port), timeout=_PROBE_TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(8)
    ready = answer[4:8] == struct.pack(">i", correlation_id)
    return Readiness(ready, "" if ready else "no Kafka broker answers")
