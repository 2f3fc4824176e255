"""The data rules: what they refuse, and that both evaluators of CEL agree on it.

confluent-kafka's validator is the oracle for when a rule is asked and what its answer means. It evaluates
with cel-python, the gate with cel-expr-python, so each example goes through both.
"""

import copy
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from cel_expr_python import cel
from google.protobuf.timestamp_pb2 import Timestamp

from committed_contracts import schema_text

oracle = pytest.importorskip(
    "confluent_kafka.schema_registry.rules.cel.cel_validator",
    reason="the oracle needs cel-python and google-re2 (pip install 'confluent-kafka[rules]')",
    exc_type=ImportError,
)
from confluent_kafka.schema_registry.common import avro as oracle_avro  # noqa: E402
from confluent_kafka.schema_registry.serde import (  # noqa: E402
    RuleError,
    ValidationRule,
    ValidationRuleExecutor,
)

logging.getLogger("celpy").setLevel(logging.CRITICAL)
NOW = datetime(2025, 3, 4, tzinfo=UTC)

LEAD: dict[str, Any] = {
    "lead_id": "lead-1",
    "name": "Ana",
    "email": "ana@firma.example",
    "company_name": "Firma",
    "job_title": "CTO",
    "lead_source": "website_form",
    "company_website": None,
    "project_description": None,
    "captured_at": NOW,
}
EMAIL: dict[str, Any] = {"to": LEAD["email"], "subject": "Hello", "body": "Hello", "send_after_hours": 0}
RECORDS: dict[str, dict[str, Any]] = {
    "sdr.LeadCaptured": {"lead": LEAD},
    "sdr.LeadScored": {
        "lead": LEAD,
        "score": 50,
        "next_step": "NURTURE",
        "talking_points": [],
        "rationale": "Fits.",
    },
    "sdr.CampaignDrafted": {"lead": LEAD, "campaign_type": "NURTURE", "emails": [EMAIL]},
    "sdr.CampaignScheduled": {
        "lead_id": "lead-1",
        "campaign_id": "c",
        "campaign_type": "NURTURE",
        "emails": [{"message_id": "m", "scheduled_at": NOW, "status": "scheduled"}],
    },
    "control.RouteDecided": {
        "message_id": "m",
        "correlation_id": "c",
        "lead_id": "lead-1",
        "record_type": "sdr.LeadScored",
        "candidates": ["a", "b"],
        "excluded": ["b"],
        "agent": "a",
        "reason": "It fits.",
        "terminal": False,
        "model": "offline",
        "model_calls": 1,
        "prompt_version": "1",
        "latency_ms": 1,
        "input_tokens": 0,
        "output_tokens": 0,
        "hop": 0,
        "payload": b"\0",
        "payload_key": b"k",
        "payload_headers": [{"name": "h", "value": None}],
        "source_topic": "t",
        "source_partition": 0,
        "source_offset": 0,
    },
    "control.AgentRegistered": {
        "agent_id": "lead_scoring",
        "name": "A",
        "description": "Scores.",
        "input": [{"record_type": "sdr.LeadProfiled", "when": None}],
        "output": [],
        "endpoint": "http://127.0.0.1:8102",
        "contracts": [{"record_type": "sdr.LeadProfiled", "version": 1, "schema_id": 1}],
        "registered_at": NOW,
    },
}

GOOD: list[tuple[str, str, Any]] = [
    ("sdr.LeadCaptured", "lead.email", "a.b+news@sub.firma.example"),
    ("sdr.LeadCaptured", "lead.email", "jörg@bücher.example"),
    ("sdr.LeadCaptured", "lead.email", "李雷@例子.example"),
    ("sdr.LeadCaptured", "lead.email", "o'brien_x-1@a-b.example"),
    ("sdr.LeadCaptured", "lead.name", "محمد"),
    ("sdr.LeadCaptured", "lead.company_website", "https://firma.example/über?x=1#y"),
    ("sdr.LeadCaptured", "lead.company_website", "HTTP://firma.example"),
    ("sdr.LeadCaptured", "lead.company_website", None),
    ("sdr.LeadScored", "score", 0),
    ("sdr.LeadScored", "score", 100),
    ("sdr.CampaignDrafted", "emails.0.send_after_hours", 8760),
    ("sdr.CampaignDrafted", "emails.0.subject", "Żółć — 你好 🚂"),
    ("sdr.CampaignDrafted", "emails", [{**EMAIL, "subject": f"Hello {number}"} for number in range(20)]),
    ("sdr.CampaignDrafted", "emails.0.body", "می\u200cخواهم\r\n\tक्\u200dष 👨\u200d👩 ❤\ufe0f שלום\u200f"),
    ("sdr.CampaignDrafted", "emails.0.body", "x" * 20_000),
    (
        "sdr.CampaignDrafted",
        "emails.0.body",
        "a < b and c > d, <3, <https://firma.example/x>, <ana@firma.example>",
    ),
    ("control.RouteDecided", "agent", None),
    ("control.AgentRegistered", "input.0.when", "this.score > 3"),
    ("control.AgentRegistered", "endpoint", "https://agent.example:8443/x"),
]

NO_ADDRESSES = [
    "",
    "ana",
    "ana@",
    "@firma.example",
    "ana@firma",
    "ana@firma..example",
    "ana@.example",
    "ana@firma.example.",
    "a@b@firma.example",
    "ana @firma.example",
    " ana@firma.example",
    "ana@firma.example ",
    "ana@firma.example\n",
    "ana@firma.example\r\nBcc: x@y.example",
    "ana\t@firma.example",
    "ana\u00a0@firma.example",
    "ana\u3000@firma.example",
    "ana\u200b@firma.example",
    "ana\u202e@firma.example",
    "ana\x7f@firma.example",
    "ana\x85@firma.example",
    "Ana <ana@firma.example>",
    "ana@firma.example,eve@x.example",
    "ana@firma.example;eve@x.example",
    '"ana"@firma.example',
    "a" * 250 + "@b.example",
]

BAD: list[tuple[str, str, Any, str]] = [
    *(
        ("sdr.LeadCaptured", f"lead.{field}", blank, "not_blank")
        for field in ("lead_id", "name", "company_name", "job_title", "lead_source")
        for blank in ("", " \t\n")
    ),
    ("sdr.LeadCaptured", "lead.company_website", "ftp://firma.example", "http_or_https"),
    ("sdr.LeadCaptured", "lead.company_website", "javascript:alert(1)//http://x", "http_or_https"),
    ("sdr.LeadCaptured", "lead.company_website", "https://", "http_or_https"),
    ("sdr.LeadCaptured", "lead.company_website", "https://a b", "http_or_https"),
    ("sdr.LeadCaptured", "lead.company_website", "", "http_or_https"),
    ("sdr.LeadScored", "score", -1, "within_0_and_100"),
    ("sdr.LeadScored", "score", 101, "within_0_and_100"),
    ("sdr.LeadScored", "rationale", "", "not_blank"),
    ("sdr.CampaignDrafted", "emails", [], "one_to_twenty"),
    ("sdr.CampaignDrafted", "emails", [EMAIL] * 21, "one_to_twenty"),
    ("sdr.CampaignDrafted", "emails", [EMAIL, {**EMAIL, "send_after_hours": 1}], "distinct"),
    ("sdr.CampaignDrafted", "emails", [EMAIL] * 20, "distinct"),
    *(
        ("sdr.CampaignDrafted", f"emails.0.{field}", f"Hel{hidden}lo", "nothing_hidden")
        for field in ("subject", "body")
        for hidden in ("\u200b", "\u202e", "\u2066", "\u2060", "\ufeff", "\U000e0041", "\U000e007f")
    ),
    ("sdr.CampaignDrafted", "emails.0.body", "Hel\x01lo", "nothing_hidden"),
    ("sdr.CampaignDrafted", "emails.0.body", "Hel\x1b[2Jlo", "nothing_hidden"),
    ("sdr.CampaignDrafted", "emails.0.body", "Hel\x85lo", "nothing_hidden"),
    *(
        ("sdr.CampaignDrafted", f"emails.0.{field}", f"Hello {markup}", "plain_text")
        for field in ("subject", "body")
        for markup in ("<img src='x'>", "<A HREF=evil>", "<b>", "</p>", "<br/>", "<!-- x", "<!doctype html>")
    ),
    ("sdr.CampaignDrafted", "emails.0.subject", "x" * 1_001, "at_most_1000"),
    ("sdr.CampaignDrafted", "emails.0.body", "x" * 20_001, "at_most_20000"),
    ("sdr.CampaignDrafted", "emails.0.to", "eve@firma.example", "only_to_the_lead"),
    ("sdr.CampaignDrafted", "emails.0.to", "ANA@firma.example", "only_to_the_lead"),
    ("sdr.CampaignDrafted", "emails.0.send_after_hours", -1, "within_a_year"),
    ("sdr.CampaignDrafted", "emails.0.send_after_hours", 8761, "within_a_year"),
    ("sdr.CampaignDrafted", "emails.0.subject", "", "not_blank"),
    ("sdr.CampaignDrafted", "emails.0.subject", "Hello\r\nBcc: eve@x.example", "one_line"),
    ("sdr.CampaignDrafted", "emails.0.subject", "Hello\nyou", "one_line"),
    ("sdr.CampaignDrafted", "emails.0.subject", "Hello\x85you", "one_line"),
    ("sdr.CampaignDrafted", "emails.0.body", "\n", "not_blank"),
    ("sdr.CampaignScheduled", "emails", [], "at_least_one"),
    ("control.RouteDecided", "agent", "c", "agent_is_a_candidate"),
    ("control.RouteDecided", "agent", "b", "agent_has_not_refused"),
    ("control.RouteDecided", "terminal", True, "terminal_has_no_agent"),
    ("control.RouteDecided", "source_offset", -1, "not_negative"),
    ("control.AgentRegistered", "agent_id", "NONE", "id_shape"),
    ("control.AgentRegistered", "agent_id", "a b", "id_shape"),
    ("control.AgentRegistered", "endpoint", "file:///etc/passwd", "http_or_https"),
    ("control.AgentRegistered", "input", [], "at_least_one"),
    ("control.AgentRegistered", "contracts.0.version", 0, "positive"),
]


class GateEvaluator(ValidationRuleExecutor):  # type: ignore[misc]
    """Evaluates with the gate's CEL inside the oracle's walk."""

    def __init__(self) -> None:
        self._environment = cel.NewEnv(variables={"this": cel.Type.DYN, "now": cel.Type.TIMESTAMP})

    def execute(self, rule: ValidationRule, schema: Any, message: Any) -> Any:
        program = self._environment.compile(rule.expr)
        result = program.eval(data={"this": _as_cel(message), "now": Timestamp()})
        if result.type().name() == "ERROR":
            raise RuleError(str(result.value()))
        return result.value()


def _as_cel(value: Any) -> Any:
    if isinstance(value, datetime):
        stamp = Timestamp()
        stamp.FromDatetime(value)
        return stamp
    if isinstance(value, dict):
        return {key: _as_cel(inner) for key, inner in value.items()}
    return [_as_cel(inner) for inner in value] if isinstance(value, list) else value


EVALUATORS = {"confluent": oracle.CelValidator(), "gate": GateEvaluator()}


def changed(record_type: str, path: str, value: Any) -> dict[str, Any]:
    datum = copy.deepcopy(RECORDS[record_type])
    *outer, last = path.split(".")
    target: Any = datum
    for step in outer:
        target = target[int(step)] if step.isdigit() else target[step]
    target[last] = value
    return datum


def violations(evaluator: str, record_type: str, datum: dict[str, Any]) -> set[tuple[str, str]]:
    schema = _expanded(json.loads(schema_text(record_type)), {})
    found = oracle_avro.validate_message(EVALUATORS[evaluator], schema, datum)
    return {(one.field_path, one.rule.name) for one in found}


def _expanded(schema: Any, known: dict[str, Any]) -> Any:
    """Write out each name, as the parsed schemas that the oracle is given have them."""
    if isinstance(schema, list):
        return [_expanded(branch, known) for branch in schema]
    if isinstance(schema, str):
        return known.get(schema, schema)
    inner = {key: _expanded(schema[key], known) for key in ("type", "items", "values") if key in schema}
    if "fields" in schema:
        inner["fields"] = [{**one, "type": _expanded(one["type"], known)} for one in schema["fields"]]
    written = {**schema, **inner}
    if "name" in schema:
        known[f"{schema.get('namespace', '')}.{schema['name']}"] = written
    return written


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("record_type", RECORDS)
def test_a_good_record_breaks_no_rule(record_type: str, evaluator: str) -> None:
    assert violations(evaluator, record_type, RECORDS[record_type]) == set()


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(("record_type", "path", "value"), GOOD)
def test_an_unusual_but_good_value_breaks_no_rule(
    record_type: str, path: str, value: Any, evaluator: str
) -> None:
    assert violations(evaluator, record_type, changed(record_type, path, value)) == set()


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize(("record_type", "path", "value", "rule"), BAD)
def test_a_bad_value_breaks_its_rule(
    record_type: str, path: str, value: Any, rule: str, evaluator: str
) -> None:
    assert rule in {name for _, name in violations(evaluator, record_type, changed(record_type, path, value))}


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_is_refused_at_the_email(address: str, evaluator: str) -> None:
    found = violations(evaluator, "sdr.LeadCaptured", changed("sdr.LeadCaptured", "lead.email", address))
    assert {path for path, _ in found} == {"lead.email"}


@pytest.mark.parametrize(
    ("record_type", "path", "value"),
    [
        *((record_type, path, value) for record_type, path, value, _ in BAD),
        *(("sdr.LeadCaptured", "lead.email", address) for address in NO_ADDRESSES),
    ],
)
def test_both_evaluators_find_the_same_violations(record_type: str, path: str, value: Any) -> None:
    datum = changed(record_type, path, value)
    assert violations("gate", record_type, datum) == violations("confluent", record_type, datum)
