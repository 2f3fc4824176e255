"""The stand-in for the offline model: adds up points. It is not an LLM and understands nothing."""

from collections.abc import Sequence

from lead_scoring.judgement import Judgement, Step
from lead_scoring.points import DISQUALIFIERS, ENGAGE_FROM, NURTURE_FROM, RULES, START, Case, Rule
from signalbox_agent.texts import name_of, plain
from signalbox_contracts.sdr import Lead, Report

_POINT_LIMIT = 160


def judgement_stand_in(lead: Lead, report: Report) -> Judgement:
    """Judge by the rules of :mod:`lead_scoring.points`; the same input gives the same judgement."""
    case = Case(lead, report)
    against = [rule for rule in DISQUALIFIERS if rule.holds(case)]
    counted = [*[rule for rule in RULES if rule.holds(case)], *against]
    score = max(0, min(100, START + sum(rule.points for rule in counted)))
    step: Step = "DISQUALIFY" if against else _step(score)
    return Judgement(
        score=score,
        next_step=step,
        talking_points=[] if step == "DISQUALIFY" else _talking_points(case),
        rationale=_rationale(lead, score, counted, step),
    )


def _step(score: int) -> Step:
    if score >= ENGAGE_FROM:
        return "ACTIVELY_ENGAGE"
    return "NURTURE" if score >= NURTURE_FROM else "DISQUALIFY"


def _talking_points(case: Case) -> list[str]:
    pains = [plain(pain, _POINT_LIMIT) for pain in case.report.pain_points[:3]]
    company = name_of(case.lead.company_name) or "the company"
    industry = plain(case.report.industry, 60).lower()
    points = [*pains, f"the systems that {company} works with today"]
    if industry:
        points.append(f"examples from {industry}")
    return [point for point in points if point]


def _rationale(lead: Lead, score: int, counted: Sequence[Rule], step: Step) -> str:
    good = [f"{rule.reason} (+{rule.points})" for rule in counted if rule.points > 0]
    bad = [f"{rule.reason} ({rule.points})" for rule in counted if rule.points < 0]
    who = name_of(lead.name) or "The lead"
    speaks_for = f"For {who} speaks: {', '.join(good)}." if good else f"Nothing speaks for {who}."
    speaks_against = f" Against: {', '.join(bad)}." if bad else ""
    return f"{speaks_for}{speaks_against} {START} points to start with make {score}: {step}."
