"""Who wrote registrations for others got nothing by it."""

from checks.finding import Finding
from evidence import FORGED, REGISTRATIONS, ROUTES, Evidence, said


def nothing_reached_a_forger(evidence: Evidence) -> Finding:
    """No listener that a forged registration named got a request: no message, no token, no question."""
    routed = sum(bool(said(route, "route_agent")) for route in evidence.of(ROUTES))
    forged = sum(record.header(FORGED) is not None for record in evidence.of(REGISTRATIONS))
    problems = tuple(f"a forger got {request}" for request in evidence.forged_to)
    return Finding(routed, problems, {"routes to agents": routed, "forged registrations": forged})
