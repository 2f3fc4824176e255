"""``signalbox status``: which processes of the local stack run, and which of them are ready."""

import json as json_format
from collections.abc import Sequence
from typing import Annotated

import typer

from local_stack.state import Readiness, StackProcess, find_run_dir, pid_of, probe_all, read_stack
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.printable import visible


def status(
    json: Annotated[bool, typer.Option("--json", help="Print a list of objects instead of lines.")] = False,
) -> None:
    """Show each process of the local stack: its id, its address, and whether it is ready.

    Exits with 0 only when there is a stack and all of it is ready.
    """
    try:
        processes = read_stack(find_run_dir())
    except ConfigurationError as error:
        typer.echo(visible(f"error: {error}"), err=True)
        raise typer.Exit(1) from error
    pids = [pid_of(process) for process in processes]
    answers = [
        answer if pid else Readiness(False, "not running")
        for pid, answer in zip(pids, probe_all(processes), strict=True)
    ]
    typer.echo(visible((_as_json if json else _as_lines)(processes, pids, answers)))
    if not (answers and all(answer.ready for answer in answers)):
        raise typer.Exit(1)


def _as_json(
    processes: Sequence[StackProcess], pids: Sequence[int | None], answers: Sequence[Readiness]
) -> str:
    objects = [
        {
            "service": process.service,
            "pid": pid,
            "address": process.address,
            "ready": answer.ready,
            "impaired": answer.impaired,
        }
        for process, pid, answer in zip(processes, pids, answers, strict=True)
    ]
    return json_format.dumps(objects, indent=2)


def _as_lines(
    processes: Sequence[StackProcess], pids: Sequence[int | None], answers: Sequence[Readiness]
) -> str:
    if not processes:
        return "no stack is up: `make up` starts it"
    return "\n".join(
        f"{process.service:<18} {pid or process.pid or '-':>8}  {process.address:<28} "
        + "  ".join(("ready" if answer.ready else f"NOT READY  {answer.detail}", *_impaired(answer)))
        for process, pid, answer in zip(processes, pids, answers, strict=True)
    )


def _impaired(answer: Readiness) -> list[str]:
    return [f"impaired: {', '.join(answer.impaired)}"] if answer.impaired else []
