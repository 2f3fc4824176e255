"""The stand-in for the offline model: reads by word lists. It is not an LLM and understands nothing."""

from collections.abc import Iterator, Mapping
from typing import Final

from lead_ingestion.phrasebook import company_size, said
from lead_ingestion.report import Research
from signalbox_agent.texts import name_of, plain
from signalbox_agent.tools import Findings
from signalbox_contracts.sdr import Lead

_READ_LIMIT: Final = 6_000
_INDUSTRY_FACTS: Final = ("industry", "sector")
_SIZE_FACTS: Final = ("company_size", "employees", "size", "headcount")


def research_stand_in(lead: Lead, findings: Findings) -> Research:
    """Write a report from the words of the lead and of the findings; the same input gives the same report."""
    own_words = (lead.project_description or "")[:_READ_LIMIT]
    pages = " ".join(finding.text[:_READ_LIMIT] for finding in findings.found if not finding.facts)
    facts = {name.lower(): value for finding in findings.found for name, value in finding.facts.items()}
    industry = _industry(facts, lead, f"{own_words} {pages}")
    size = _size(facts, f"{own_words} {pages}")
    signals = [*said("buying_signals", own_words, limit=4), *_signals_beside(lead)]
    return Research(
        summary=" ".join(_sentences(lead, industry, size)),
        industry=industry,
        company_size=size,
        pain_points=said("pain_points", own_words or pages, limit=4),
        buying_signals=list(dict.fromkeys(signals)),
    )


def _industry(facts: Mapping[str, str], lead: Lead, text: str) -> str | None:
    guesses = said("industries", f"{lead.company_name[:200]} {text}", limit=1)
    return plain(_first(facts, _INDUSTRY_FACTS), 100) or (guesses[0] if guesses else None)


def _size(facts: Mapping[str, str], text: str) -> str | None:
    named = plain(_first(facts, _SIZE_FACTS), 60)
    bare = named.translate(str.maketrans("", "", "-–+,. "))
    return f"{named} employees" if bare.isdecimal() else named or company_size(text)


def _sentences(lead: Lead, industry: str | None, size: str | None) -> Iterator[str]:
    who, role = name_of(lead.name) or "Somebody", plain(lead.job_title, 80) or "role unclear"
    company = name_of(lead.company_name, 80) or "an unnamed company"
    about = ", ".join(part for part in (industry, size) if part)
    yield f"{who} ({role}) writes for {company}{f' ({about})' if about else ''}."
    yield f"The lead came through {plain(lead.lead_source.replace('_', ' '), 60) or 'an unnamed source'}."
    wish = plain(lead.project_description, 280).rstrip(".!?。")
    yield f"In their own words: “{wish}”." if wish else "They gave no description of a project."


def _signals_beside(lead: Lead) -> Iterator[str]:
    source = lead.lead_source[:100].casefold()
    if "referral" in source or "partner" in source:
        yield "was referred to us"
    if "demo" in source or "pricing" in source:
        yield "asks for a demonstration or a call"


def _first(facts: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((facts[name] for name in names if facts.get(name)), "")
