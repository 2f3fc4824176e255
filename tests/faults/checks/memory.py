"""Memory: each process stays within its bound, whatever struck."""

from typing import Final

from checks.finding import Finding
from evidence import Evidence

BOUND_MIB: Final = {"broker": 1024.0, "registry": 1024.0}
"""Java's, with its heap's limit and what lies beside it."""
DEFAULT_BOUND_MIB: Final = 400.0


def each_process_stays_within_its_memory(evidence: Evidence) -> Finding:
    """The most that a process of each service was seen with is below that service's bound."""
    problems = [
        f"{one.service} had {one.peak_mib:.0f} MiB, its bound is {bound_of(one.service):.0f}"
        for one in evidence.memory
        if one.peak_mib > bound_of(one.service)
    ]
    counts = {f"{one.service} MiB": round(one.peak_mib) for one in evidence.memory}
    return Finding(sum(one.samples for one in evidence.memory), tuple(problems), counts)


def bound_of(service: str) -> float:
    """Return a service's bound in MiB; further instances have the first one's."""
    return BOUND_MIB.get(service.split("_", maxsplit=1)[0], DEFAULT_BOUND_MIB)
