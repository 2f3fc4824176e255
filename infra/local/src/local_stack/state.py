"""What the stack writes about its processes, ``stack.json``, and what each process says when it is asked."""

import http.client
import json as json_format
import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from signalbox.protocol.errors import ConfigurationError

STACK_FILE: Final = "stack.json"
_PROBE_TIMEOUT_S: Final = 1.0
_DOCKER_TIMEOUT_S: Final = 10.0
_HTTP_OK: Final = 200
_LARGEST_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class StackProcess:
    """One process of the stack as ``stack.json`` keeps it.

    ``readyz`` is empty for the broker, which speaks no HTTP; ``create_time`` is in seconds since the
    epoch and tells this process from a later one with the same pid. ``authority`` is the certificate to
    trust where it speaks TLS. ``container`` names the container that it runs in: the engine knows its pid.
    """

    service: str
    pid: int
    create_time: float
    address: str
    host: str
    port: int
    readyz: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    authority: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a process answered: ``detail`` says what it waits for, or why there was no answer.

    ``impaired`` has the parts that are not well though the process is ready, each with the reason.
    """

    ready: bool
    detail: str = ""
    impaired: tuple[str, ...] = ()


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
        return _http_answer(process) if process.readyz else _kafka_answer(process)
    except (OSError, http.client.HTTPException) as error:
        return Readiness(False, f"no answer: {error}")


def probe_all(processes: Sequence[StackProcess]) -> list[Readiness]:
    """Ask all processes at the same time."""
    if not processes:
        return []
    with ThreadPoolExecutor(len(processes)) as pool:
        return list(pool.map(probe, processes))


def pid_of(process: StackProcess) -> int | None:
    """Return the id under which a process runs; None when it does not."""
    if process.container:
        return _container_pid(process.container)
    return process.pid if is_running(process) else None


def is_running(process: StackProcess) -> bool:
    """Tell whether a process with this id exists; the probe tells whether it is the right one."""
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(process.pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether the process has ended and only its entry is left; always False where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _container_pid(name: str) -> int | None:
    command = ["docker", "container", "inspect", "--format", "{{.State.Pid}}", name]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_DOCKER_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return int(found.stdout) or None


def _tls(process: StackProcess) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=process.authority) if process.authority else None


def _connection(process: StackProcess) -> http.client.HTTPConnection:
    if (tls := _tls(process)) is not None:
        return http.client.HTTPSConnection(process.host, process.port, timeout=_PROBE_TIMEOUT_S, context=tls)
    return http.client.HTTPConnection(process.host, process.port, timeout=_PROBE_TIMEOUT_S)


def _http_answer(process: StackProcess) -> Readiness:
    connection = _connection(process)
    try:
        connection.request("GET", process.readyz)
        answer = connection.getresponse()
        body = answer.read(_LARGEST_ANSWER)
    finally:
        connection.close()
    waiting_for, impaired = _told(body, "waiting_for"), tuple(_told(body, "impaired"))
    if answer.status == _HTTP_OK:
        return Readiness(True, impaired=impaired)
    detail = "waits for " + ", ".join(waiting_for) if waiting_for else f"answers {answer.status}"
    return Readiness(False, detail, impaired)


def _told(body: bytes, name: str) -> list[str]:
    try:
        return [str(one) for one in json_format.loads(body)[name]]
    except (ValueError, KeyError, TypeError):
        return []  # not every registry tells so much


def _kafka_answer(process: StackProcess) -> Readiness:
    """Ask for the broker's API versions (Kafka protocol, ApiVersions, version 0): anybody may."""
    api_versions, version, correlation_id, no_client_id = 18, 0, 1, -1
    request = struct.pack(">hhih", api_versions, version, correlation_id, no_client_id)
    address, tls = (process.host, process.port), _tls(process)
    with ExitStack() as closing:
        connection = closing.enter_context(socket.create_connection(address, timeout=_PROBE_TIMEOUT_S))
        if tls is not None:
            wrapped = tls.wrap_socket(connection, server_hostname=process.host)
            connection = closing.enter_context(wrapped)
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(8)
    ready = answer[4:8] == struct.pack(">i", correlation_id)
    return Readiness(ready, "" if ready else "no Kafka broker answers")
