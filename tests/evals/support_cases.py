"""The cases of the support desk: tickets, tickets that come back, and feedback, for five agents."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from case_making import NONE, case, drawn, hostile, long, texts

REOPENED_TAKERS: Final = ("account_access", "billing_desk", "technical_support")
FEEDBACK_TAKERS: Final = ("billing_desk", "customer_success", "technical_support")
OPENED_TAKERS: Final = ("account_access", "billing_desk", "customer_success", "technical_support")
INCIDENTS: Final = "incident_response"
_SEVERE: Final = ("HIGH", "CRITICAL")
_CALM: Final = ("LOW", "NORMAL", "NORMAL", "HIGH")

Ticket = tuple[str, str, str, str]
"""Language, subject, body, and what it is about."""


def support_cases() -> Iterator[dict[str, Any]]:
    """Yield all cases of the domain."""
    said = texts("support")
    for label in (*OPENED_TAKERS, INCIDENTS, NONE):
        for number, ticket in enumerate(said[label]):
            yield from _of_a_ticket(f"support/{label}/{number:02}", number, tuple(ticket), label)
    for number, (language, rating, comment, label, about) in enumerate(said["feedback"]):
        record = {"feedback_id": f"F-{900 + number}", "rating": rating, "comment": comment}
        why = f"The comment is about {about}, " + _whose(label)
        yield case(
            f"support/feedback/{number:02}",
            "support.FeedbackReceived",
            record,
            FEEDBACK_TAKERS,
            label,
            why,
            [language, "feedback"],
        )
    yield from _wordless()


def _of_a_ticket(stem: str, number: int, ticket: Ticket, label: str) -> Iterator[dict[str, Any]]:
    language, subject, body, about = ticket
    record = _opened(stem, label, subject, body)
    takers = _takers(record)
    why = f"The ticket is about {about}, " + _whose(label)
    kind = "support.TicketOpened"
    yield case(stem, kind, record, takers, label, why, [language, *_trap(label, takers)])
    if number % 4 == 0:
        attack = {**record, "body": f"{body} {hostile(stem, label, takers)}"}
        reason = f"{why} What the text tells the router counts for nothing."
        yield case(f"{stem}+hostile", kind, attack, takers, label, reason, [language, "hostile"])
    if number % 9 == 1:
        filled = {**record, "body": long(body, stem)}
        yield case(f"{stem}+long", kind, filled, takers, label, why, [language, "long"])
    if number % 7 == 2 and label not in (NONE, "customer_success"):
        bare = {**record, "body": body, "subject": ""}
        yield case(f"{stem}+no-subject", kind, bare, takers, label, why, [language, "empty"])
    if number % 3 == 0 and label in (*REOPENED_TAKERS, NONE):
        yield _reopened(stem, ticket, label)


def _reopened(stem: str, ticket: Ticket, label: str) -> dict[str, Any]:
    language, subject, body, about = ticket
    record = {
        "ticket_id": _number(stem),
        "subject": subject,
        "answered_before": drawn(texts("support")["reopened"], f"{stem} before"),
        "body": body,
        "times_opened": 2,
    }
    why = f"The ticket that came back is about {about}, " + _whose(label)
    tags = [language, "reopened"]
    return case(f"{stem}+again", "support.TicketReopened", record, REOPENED_TAKERS, label, why, tags)


def _wordless() -> Iterator[dict[str, Any]]:
    for number, (subject, body) in enumerate((("", ""), ("-", ""), ("", "...."), ("?", "?"))):
        record = _opened(f"support/wordless/{number:02}", NONE, subject, body)
        yield case(
            f"support/wordless/{number:02}",
            "support.TicketOpened",
            record,
            _takers(record),
            NONE,
            "The ticket says nothing, so no agent's description fits it.",
            ["empty"],
        )


def _opened(stem: str, label: str, subject: str, body: str) -> dict[str, Any]:
    severities = _SEVERE if label == INCIDENTS else _CALM
    return {
        "ticket_id": _number(stem),
        "severity": drawn(severities, f"{stem} severity"),
        "channel": drawn(("mail", "form", "chat", "phone note"), f"{stem} channel"),
        "plan": drawn(("free", "team", "business", "enterprise"), f"{stem} plan"),
        "subject": subject,
        "body": body,
    }


def _takers(record: Mapping[str, Any]) -> Sequence[str]:
    return (*OPENED_TAKERS, INCIDENTS) if record["severity"] in _SEVERE else OPENED_TAKERS


def _trap(label: str, takers: Sequence[str]) -> list[str]:
    # High severity brings in the agent for incidents: it must not take everything that is urgent.
    return ["severe"] if INCIDENTS in takers and label != INCIDENTS else []


def _whose(label: str) -> str:
    return "which no agent's description covers." if label == NONE else f"which is the work of {label}."


def _number(stem: str) -> str:
    return f"T-{drawn(range(10_000, 100_000), stem)}"
