"""What a service needs to start, asked before it is stopped: without it, it could not come back."""

import time
from collections.abc import Sequence
from typing import Final

from local_stack.instances import kind_of
from local_stack.running import StackError
from local_stack.services import BROKER, REGISTRY
from local_stack.state import StackProcess, probe_all

_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.2


class NeededAway(StackError):
    """Broker or registry don't answer, so a service was not touched; the text says what helps."""


def require_needed(name: str, processes: Sequence[StackProcess], patience_s: float = _PATIENCE_S) -> None:
    """Return when a broker and the registry of the stack answer, or when ``name`` is one of these itself.

    Raises:
        NeededAway: one does not, for ``patience_s`` seconds.
    """
    if kind_of(name) in {BROKER, REGISTRY}:
        return
    deadline = time.monotonic() + patience_s
    while away := _away(processes):
        if time.monotonic() >= deadline:
            said = " and ".join(f"{needed} is away ({why})" for needed, why in away.items())
            first = ", ".join(f"`make redeploy service={needed}`" for needed in away)
            raise NeededAway(f"{name} could not start again, so it is left as it is: {said}; first {first}")
        time.sleep(_POLL_S)


def _away(processes: Sequence[StackProcess]) -> dict[str, str]:
    """Name what does not answer, with the reason; of several brokers, one that answers is enough."""
    away: dict[str, str] = {}
    for kind in (BROKER, REGISTRY):
        needed = [process for process in processes if kind_of(process.service) == kind]
        answers = probe_all(needed)
        if needed and not any(answer.ready for answer in answers):
            away[needed[0].service] = answers[0].detail
    return away
