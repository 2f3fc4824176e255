"""What a well-behaved model answers: by the prompt alone, the same as the offline stand-ins would.

It is no model. It reads the prompt's fenced data as a model would, and lets each agent's stand-in work on it,
so that routes, scores and texts are the right ones, and the answers go through a real client's validation.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from active_outreach.offline import draft_stand_in as outreach_draft
from lead_ingestion.offline import research_stand_in
from lead_scoring.offline import judgement_stand_in
from nurture_campaign.library import Article
from nurture_campaign.offline import draft_stand_in as nurture_draft
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent.texts import SenderSettings
from signalbox_agent.tools import Finding, Findings
from signalbox_contracts.sdr import Lead, LeadScored, Report
from signalbox_decide.offline import best_match

_DATA: Final = re.compile(r'<data name="(\w+)">\n(.*?)\n</data>', re.DOTALL)
_CANDIDATES: Final = re.compile(r"\AAgents:\n(.*?)\n\nMessage:\n(.*)\Z", re.DOTALL)
# What the texts for a model leave out of a lead: it is nothing that an answer depends on.
_LEFT_OUT: Final = {"lead_id": "lead-of-a-prompt", "email": "lead@prompt.example"}

Answer = dict[str, Any]


def routed(prompt: str) -> Answer:
    """Choose among the agents that the router's prompt lists."""
    found = _CANDIDATES.match(prompt)
    assert found is not None, "the router's prompt has another form than before"
    return best_match(found[2], _definitions(found[1]))


def answered(fields: frozenset[str], prompt: str) -> Answer:
    """Answer an agent's task, which is known by the ``fields`` of the answer that is wanted.

    Raises:
        LookupError: there is no such task.
    """
    for wanted, write in _TASKS:
        if wanted <= fields:
            return write({name: json.loads(text) for name, text in _DATA.findall(prompt)})
    raise LookupError(f"no task wants an answer of {', '.join(sorted(fields))}")


def _researched(data: Mapping[str, Any]) -> Answer:
    found = tuple(Finding(location="", **finding) for finding in data["findings"])
    return research_stand_in(_lead(data), Findings(found)).model_dump(mode="json")


def _judged(data: Mapping[str, Any]) -> Answer:
    return judgement_stand_in(_lead(data), Report.model_validate(data["report"])).model_dump(mode="json")


def _drafted(data: Mapping[str, Any]) -> Answer:
    scored = LeadScored.model_validate({"lead": _lead(data), **data["judgement"]})
    if "articles" not in data:
        return outreach_draft(scored, SenderSettings()).model_dump(mode="json")
    articles = [Article(**article) for article in data["articles"]]
    return nurture_draft(scored, articles, SenderSettings()).model_dump(mode="json")


def _lead(data: Mapping[str, Any]) -> Lead:
    return Lead.model_validate({**_LEFT_OUT, **data["lead"]})


@lru_cache(maxsize=64)
def _definitions(agents: str) -> Sequence[AgentDefinition]:
    return [AgentDefinition.model_validate(agent) for agent in json.loads(agents)]


_TASKS: Final[tuple[tuple[frozenset[str], Callable[[Mapping[str, Any]], Answer]], ...]] = (
    (frozenset({"summary", "pain_points"}), _researched),
    (frozenset({"score", "next_step"}), _judged),
    (frozenset({"mails"}), _drafted),
)
