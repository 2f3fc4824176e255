"""The changes that the evolution tests make: to ``sdr.LeadScored``, and from it to ``sdr.LeadRated``."""

from typing import Any, Final

from checkout import Checkout
from signalbox.protocol.names import AGENT_MESSAGES, RecordType

SCORED: Final = RecordType("sdr.LeadScored")
RATED: Final = RecordType("sdr.LeadRated")
READERS: Final = ("active_outreach", "nurture_campaign")

_TAKES_SCORED: Final = f'bound(LeadScored, schema_text("{SCORED}")),'
_TAKES_RATED: Final = f'bound(LeadRated, schema_text("{RATED}")),'


def add_confidence(schema: dict[str, Any]) -> None:
    """Add an optional field: what every reader and writer can live with."""
    field = {"name": "confidence", "type": ["null", "double"], "default": None}
    schema["fields"].append({**field, "doc": "How sure the score is, from 0 to 1; null where no one said."})


def add_rule(schema: dict[str, Any]) -> None:
    """Forbid what was allowed."""
    schema["confluent:rules"] = [
        {
            "name": "engaged_for_a_reason",
            "doc": "No one is engaged actively with a score below 50.",
            "expr": "this.next_step != 'ACTIVELY_ENGAGE' || this.score >= 50",
        }
    ]


def drop_rules_of_score(schema: dict[str, Any]) -> None:
    """Allow any score."""
    (score,) = (field for field in schema["fields"] if field["name"] == "score")
    del score["confluent:rules"]


def add_required_segment(schema: dict[str, Any]) -> None:
    """Break it: older messages lack the field, and nothing says what to put there."""
    schema["fields"].append({"name": "segment", "type": "string", "doc": "The market that it belongs to."})


def add_lead_rated(checkout: Checkout) -> None:
    """Add the record type that follows: one number became two, which no default can bridge."""
    doc = "A lead was rated, and the next step was chosen."
    points = {"type": "array", "items": "string"}
    fields = [
        {"name": "lead", "type": "sdr.Lead", "doc": "The lead, unchanged."},
        _number("fit", "How well the company fits, from 0 to 100."),
        _number("interest", "How much the lead wants it, from 0 to 100."),
        {"name": "next_step", "type": "sdr.NextStep", "doc": "What should be done with the lead."},
        {"name": "talking_points", "type": points, "doc": "What to speak about.", "default": []},
        {"name": "rationale", "type": "string", "doc": "Why this rating and this step."},
    ]
    schema = {"type": "record", "name": "LeadRated", "namespace": "sdr", "doc": doc, "fields": fields}
    entry = {"doc": doc, "owner": "lead-scoring", "producers": ["lead_scoring"], "consumers": list(READERS)}
    checkout.add_contract(schema, entry, AGENT_MESSAGES)


def give_lead_rated(checkout: Checkout) -> None:
    """Build the next ``lead_scoring``, which writes the new type."""
    checkout.change_definition("lead_scoring", lambda definition: definition.update(output=[RATED]))
    checkout.rewrite("lead_scoring", "agent.py", ("LeadScored", "LeadRated"))
    checkout.rewrite(
        "lead_scoring",
        "handler.py",
        ("LeadScored", "LeadRated"),
        ("score=judgement.score,", "fit=judgement.score, interest=judgement.score,"),
    )


def take_both(checkout: Checkout, reader: str) -> None:
    """Build the next version of a reader, which takes the new type beside the old one."""

    def edit(definition: dict[str, Any]) -> None:
        (entry,) = definition["input"]
        definition["input"] = [entry, {**entry, "record_type": RATED}]

    checkout.change_definition(reader, edit)
    checkout.rewrite(
        reader,
        "agent.py",
        ("import CampaignDrafted, LeadScored", "import CampaignDrafted, LeadRated, LeadScored"),
        (_TAKES_SCORED, f"{_TAKES_SCORED} {_TAKES_RATED}"),
    )


def take_only_lead_rated(checkout: Checkout, reader: str) -> None:
    """Build the version after that, which takes the new type alone."""
    checkout.change_definition(reader, lambda definition: definition["input"].pop(0))
    checkout.rewrite(reader, "agent.py", (f"{_TAKES_SCORED} ", ""), ("LeadRated, LeadScored", "LeadRated"))
    for module in ("handler.py", "offline.py"):
        checkout.rewrite(reader, module, ("LeadScored", "LeadRated"))


def _number(name: str, doc: str) -> dict[str, Any]:
    rule = {"name": "within_0_and_100", "doc": "It is from 0 to 100.", "expr": "this >= 0 && this <= 100"}
    return {"name": name, "type": "int", "doc": doc, "confluent:rules": [rule]}
