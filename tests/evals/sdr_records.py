"""Records of the SDR's types, with the fields of their contracts; times stand as the router sees them."""

from collections.abc import Sequence
from typing import Any, Final

from case_making import drawn, texts

_SAID: Final = texts("sdr")
_DAYS: Final = range(1, 29)


def lead(stem: str, language: str, want: str | None) -> dict[str, Any]:
    """Make a lead who writes ``want``, in a language that is the person's where there is one."""
    people = [person for person in _SAID["people"] if person[-1] == language] or _SAID["people"]
    name, email, title, company, website, source, _ = drawn(people, f"{stem} person")
    return {
        "lead_id": f"lead-{drawn(range(10_000, 100_000), stem)}",
        "name": name,
        "email": email,
        "company_name": company,
        "job_title": title,
        "lead_source": source,
        "company_website": website,
        "project_description": want,
        "captured_at": _time(stem),
    }


def profiled(stem: str, language: str, want: str | None, number: int) -> dict[str, Any]:
    """Make a researched lead with the report ``number``, counted round."""
    person = lead(stem, language, want)
    summary, industry, size, pains, signals = _SAID["reports"][number % len(_SAID["reports"])]
    website = person["company_website"]
    sources = [{"kind": "website", "location": website, "retrieved_at": _time(f"{stem} read")}]
    report = {
        "summary": summary.format(company=person["company_name"], name=person["name"]),
        "industry": industry,
        "company_size": size,
        "pain_points": pains,
        "buying_signals": signals,
        "sources": sources if website else [],
    }
    return {"lead": person, "report": report}


def scored(
    stem: str, language: str, want: str | None, step: str, score: int, rationale: str, points: Sequence[str]
) -> dict[str, Any]:
    """Make a scored lead."""
    return {
        "lead": lead(stem, language, want),
        "score": score,
        "next_step": step,
        "talking_points": points,
        "rationale": rationale,
    }


def drafted(stem: str, campaign: str, mails: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Make a campaign of ``mails``, each a subject and a body, addressed to the lead."""
    language, _, want = drawn(_SAID["wants"], stem)
    person = lead(stem, language, want)
    names = {"name": person["name"], "company": person["company_name"]}
    emails = [
        {
            "to": person["email"],
            "subject": _filled(subject, names),
            "body": _filled(body, names),
            "send_after_hours": 48 * number,
        }
        for number, (subject, body) in enumerate(mails)
    ]
    return {"lead": person, "campaign_type": campaign, "emails": emails}


def _filled(text: str, names: dict[str, str]) -> str:
    # Not str.format: a hostile text may hold braces.
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _time(key: str) -> str:
    day, hour, minute = drawn(_DAYS, key), drawn(range(24), f"{key} h"), drawn(range(60), f"{key} m")
    return f"2026-03-{day:02} {hour:02}:{minute:02}:00+00:00"
