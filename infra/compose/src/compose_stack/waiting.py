"""Waiting for containers: each is asked itself, as `signalbox status` does."""

import time
from collections.abc import Collection
from typing import Final

from compose_stack.project import Project, inspected
from local_stack.progress import Progress
from local_stack.running import StackError
from local_stack.state import StackProcess, probe_all

_DEADLINE_S: Final = 240.0
_POLL_S: Final = 1.0
_LINES: Final = 20


def await_ready(project: Project, processes: Collection[StackProcess], progress: Progress) -> None:
    """Wait until all are ready, and say so for each.

    Raises:
        StackError: one was not ready in time, or ends again and again; the text has the end of its log.
    """
    waiting = list(processes)
    deadline = time.monotonic() + _DEADLINE_S
    with progress.waiting_for([process.service for process in waiting]):
        while waiting:
            for process, answer in zip(tuple(waiting), probe_all(waiting), strict=True):
                if answer.ready:
                    progress.say(f"  {process.service:<18} ready  {process.address}")
                    waiting.remove(process)
                elif time.monotonic() > deadline or _gives_up(process.container):
                    said = end_of_log(project, process.service)
                    raise StackError(
                        f"{process.service} is not ready: {answer.detail}; the end of its log:\n{said}"
                    )
            time.sleep(_POLL_S if waiting else 0)


def end_of_log(project: Project, service: str) -> str:
    """Return the last lines of a service's log, marked as such."""
    return "\n".join(f"  | {line}" for line in project.last_lines(service, _LINES).splitlines())


def _gives_up(container: str) -> bool:
    """Tell whether a container ends again and again, so that waiting on is of no use."""
    found = inspected(container)
    return found.restarts > 1 or found.status == "exited"
