"""The stand-in for the offline model: fills three templates. It is not an LLM and understands nothing."""

import zlib
from typing import Final

from active_outreach.draft import Draft, DraftedMail
from signalbox_agent.texts import SenderSettings, filled, name_of, plain, quotable
from signalbox_contracts.sdr import LeadScored

_TEMPLATES: Final = {"first": 0, "second": 72, "third": 168}
_DAYS: Final = ("Tuesday or Wednesday", "Wednesday or Thursday", "Thursday or Friday")


def draft_stand_in(scored: LeadScored, sender: SenderSettings) -> Draft:
    """Write three mails from the lead's words and the talking points; the same input gives the same mails."""
    words = _words(scored, sender)
    mails = [
        DraftedMail(subject=subject, body=body, send_after_hours=hours)
        for (subject, body), hours in (
            (filled(__package__, name, words), hours) for name, hours in _TEMPLATES.items()
        )
    ]
    return Draft(mails=mails)


def _words(scored: LeadScored, sender: SenderSettings) -> dict[str, str]:
    lead = scored.lead
    name, them = name_of(lead.name), name_of(lead.company_name) or "your company"
    points = [point for point in (quotable(point, 120) for point in scored.talking_points) if point]
    topic = points[0].rstrip(" .!?") if points else "keeping your data in step"
    role = quotable(lead.job_title, 60)
    choice = zlib.crc32(lead.lead_id.encode("utf-8", "replace"))
    openings = (
        "Thank you for writing to us.",
        f"Thank you for your interest in {sender.company}.",
        f"Your message about {them} reached me, thank you.",
    )
    return {
        "greeting": f"Dear {name}," if name else "Good day,",
        "them": them,
        "us": sender.company,
        "sender": sender.name,
        "opening": openings[choice % len(openings)] + _quoted(quotable(lead.project_description, 160)),
        "reading": _reading(points[:3], them),
        "topic": topic,
        "short_topic": plain(topic, 50),
        "days": _DAYS[choice // len(openings) % len(_DAYS)],
        "role": f"In your role ({role}) you will know best where it hurts. " if role else "",
    }


def _quoted(wish: str) -> str:
    return f" You wrote: “{wish}”" if wish else ""


def _reading(points: list[str], them: str) -> str:
    if not points:
        return f"I would like to understand which systems {them} works with today, and where data gets lost."
    listed = "\n".join(f"– {point}" for point in points)
    return f"When I prepared for this note, these points stood out:\n\n{listed}"
