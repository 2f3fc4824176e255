"""A small run in which all went well, as the fault tests' checks see it: each test then spoils one thing.

One lead through the API that is scheduled, one by a foreign producer that is disqualified, one malformed
message and one malformed lead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from evidence import (
    AUDIT,
    INCOMING,
    MESSAGES,
    REGISTRATIONS,
    ROUTES,
    Evidence,
    MailRow,
    Memory,
    ModelCall,
    Place,
    Received,
    StoredAnswer,
    place,
    said,
)
from history import MARK, End, Sending, Way, digest_of
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import Headers, LeadId
from signalbox.protocol.records import Record

GOOD: Final = "good"
STUDENT: Final = "student"
PARTITION: Final = 3

_STEPS: Final = (
    ("sdr.LeadCaptured", "intake", "lead_ingestion"),
    ("sdr.LeadProfiled", "lead_ingestion", "lead_scoring"),
    ("sdr.LeadScored", "lead_scoring", "active_outreach"),
    ("sdr.CampaignDrafted", "active_outreach", "send_email"),
    ("sdr.CampaignScheduled", "send_email", ""),
)
_ENGAGED: Final = "this.next_step != 'DISQUALIFY'"


def workflow_of(lead_id: str) -> str:
    return correlation_id_of(LeadId(lead_id))


@dataclass
class Run:
    """Builds the records in the order in which a run writes them."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    decoded: dict[Place, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, topic: str, key: bytes | None, value: bytes, headers: Headers, /, **content: Any) -> Record:
        lying = self.records.setdefault(topic, [])
        record = Record(topic, PARTITION, len(lying), key, value, headers)
        lying.append(record)
        if content:
            self.decoded[place(record)] = content
        return record

    def message(self, lead_id: str, step: int, more: Headers = (), **content: Any) -> Record:
        record_type, source, _ = _STEPS[step]
        attributes = {
            "ce_id": f"{lead_id}-{step}",
            "ce_type": record_type,
            "ce_source": source,
            "ce_correlationid": workflow_of(lead_id),
            "ce_causationid": f"{lead_id}-{step - 1}",
        }
        value = f"{lead_id} {record_type}".encode()
        return self.add(MESSAGES, lead_id.encode(), value, (*_headers(attributes), *more), **content)

    def route(self, message: Record, agent: str, outcome: str = "routed", calls: int = 1) -> Record:
        attributes = {
            "ce_id": f"route-{said(message, 'ce_id')}",
            "ce_correlationid": said(message, "ce_correlationid"),
            "ce_causationid": said(message, "ce_id"),
            "route_outcome": outcome,
            **({"route_agent": agent} if agent else {}),
        }
        return self.add(
            ROUTES,
            message.key,
            b"route",
            _headers(attributes),
            message_id=said(message, "ce_id"),
            lead_id=(message.key or b"").decode(),
            record_type=said(message, "ce_type"),
            candidates=[agent] if agent else [],
            excluded=[],
            agent=agent or None,
            model_calls=calls if agent else 0,
            payload=message.value,
            payload_key=message.key,
            payload_headers=[{"name": name, "value": value} for name, value in message.headers],
            source_topic=message.topic,
            source_partition=message.partition,
            source_offset=message.offset,
        )

    def dead_letter(self, record: Record, stage: str, reason: str, calls: int = 0) -> Record:
        said_of_it = {
            "dl_reason": reason,
            "dl_field": "",
            "dl_stage": stage,
            "dl_topic": record.topic,
            "dl_partition": str(record.partition),
            "dl_offset": str(record.offset),
            "dl_model_calls": str(calls),
        }
        self.add(
            AUDIT,
            record.key,
            b"rejected",
            (),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            dead_letter_topic=f"{record.topic}_dlt",
        )
        headers = (*record.headers, *_headers(said_of_it))
        return self.add(f"{record.topic}_dlt", record.key, record.value or b"", headers)

    def agent(self, name: str, record_type: str, when: str | None = None) -> None:
        taken = [{"record_type": record_type, "when": when}]
        self.add(REGISTRATIONS, name.encode(), b"agent", (), agent_id=name, input=taken)


def good_run() -> Evidence:
    """Return what the checks find nothing wrong with."""
    run = Run()
    for record_type, _, agent in _STEPS[:4]:
        run.agent(agent, record_type, _ENGAGED if record_type == "sdr.LeadScored" else None)
    run.agent("nurture_campaign", "sdr.LeadScored", _ENGAGED)
    scheduled = _journey(run, GOOD, 5, "ACTIVELY_ENGAGE")
    ended = _journey(run, STUDENT, 3, "DISQUALIFY")
    broken = run.add(
        MESSAGES, b"m", b"broken", (*_headers({"ce_id": "bad", "ce_correlationid": "x"}), _mark(2))
    )
    run.dead_letter(broken, "gate", "MALFORMED")
    refused = run.add(INCOMING, b"n", b"", (_mark(3),))
    run.dead_letter(refused, "intake", "NOT_FRAMED")
    messages = [*scheduled, *ended]
    answers = [m for m in messages if said(m, "ce_source") not in {"intake", ""}]
    return Evidence(
        sendings=(
            Sending(0, Way.API, End.SCHEDULED, GOOD),
            Sending(1, Way.FOREIGN, End.ENDED, STUDENT, topic=INCOMING, asks_for="active_outreach"),
            _malformed(2, broken, "MALFORMED"),
            _malformed(3, refused, "NOT_FRAMED"),
        ),
        records={topic: tuple(lying) for topic, lying in run.records.items()},
        decoded=run.decoded,
        leads={GOOD: True},
        campaigns={workflow_of(GOOD): ("campaign",)},
        mails=(MailRow("mail", workflow_of(GOOD), "ada@ferrum.example", "sent", due=True),),
        received=(Received("mail", "ada@ferrum.example", None),),
        answers=tuple(StoredAnswer(said(m, "ce_source"), said(m, "ce_id"), m.value or b"") for m in answers),
        model_calls=(ModelCall("route", f"{GOOD}-0"),),
        memory=(Memory("orchestrator", 150.0, 10),),
        stats={
            "captured": 2,
            "in_flight": 0,
            "dead_lettered": 0,
            "scheduled": 1,
            "ended": 1,
            "unattributed": 1,
            "refused_at_intake": 1,
            "llm_calls": 6,
            "rejected_before_llm": 2,
        },
    )


def _journey(run: Run, lead_id: str, length: int, step: str) -> list[Record]:
    lead = run.add(INCOMING, lead_id.encode(), b"lead", ())
    at = f"{lead.topic}/{lead.partition}/{lead.offset}"
    contents: dict[int, dict[str, str]] = {2: {"next_step": step}, 4: {"campaign_id": "campaign"}}
    messages = []
    for number in range(length):
        more = _headers({"taken_in_from": at}) if number == 0 else ()
        message = run.message(lead_id, number, more, **contents.get(number, {}))
        messages.append(message)
        last = number == length - 1
        outcome = "routed" if not last else "terminal" if number == len(_STEPS) - 1 else "ended"
        run.route(message, "" if last else _STEPS[number][2], outcome)
    return messages


def _malformed(number: int, record: Record, reason: str) -> Sending:
    digest = digest_of(record.key, record.value, record.headers)
    return Sending(
        number, Way.MALFORMED, End.REJECTED, "", topic=record.topic, digest=digest, example="e", reason=reason
    )


def _mark(number: int) -> tuple[str, bytes]:
    return MARK, str(number).encode()


def _headers(texts: Mapping[str, str]) -> Headers:
    return tuple((name, text.encode()) for name, text in texts.items())


__all__ = ["GOOD", "STUDENT", "Run", "good_run", "workflow_of"]
