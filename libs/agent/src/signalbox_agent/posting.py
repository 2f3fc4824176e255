"""What was posted, as a delivery: the orchestrator's framed bytes, or JSON from people with curl."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from signalbox.protocol.agent_http import PARTITION_KEY, attributes_of, parse_request
from signalbox.protocol.envelope import CONTENT_TYPE, Envelope, correlation_id_of, text
from signalbox.protocol.names import LeadId, MessageId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox_agent.contracts import OwnContract, OwnContracts
from signalbox_agent.idempotent_handler import Delivery
from signalbox_agent.problems import Problem, refused

JSON: Final = "application/json"


def delivery_of(
    contracts: OwnContracts,
    media_type: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
) -> Delivery:
    """Read a request.

    Raises:
        Refusal: a header is missing or malformed.
        Problem: 415 for another media type; 422 for a record type that the agent doesn't take, or bad JSON.
    """
    match media_type:
        case "application/avro":
            return _from_avro(contracts, headers, body)
        case "application/json":
            return _from_json(contracts, headers, query, body)
        case _:
            detail = f"send {CONTENT_TYPE} or {JSON}, not {media_type or 'a body of no type'}"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _from_avro(contracts: OwnContracts, headers: Mapping[str, str], body: bytes) -> Delivery:
    envelope, lead_id = parse_request(headers)
    contract = _taken(contracts, envelope.type)
    return Delivery(envelope, lead_id, partial(contracts.decode, contract, body))


def _from_json(
    contracts: OwnContracts, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> Delivery:
    attributes = attributes_of(headers)
    only = next(iter(contracts.inputs)) if len(contracts.inputs) == 1 else ""
    contract = _taken(contracts, query.get("type") or attributes.get("ce-type") or only)
    record = _validated(contract, body)
    lead_id = _lead_id(record, attributes)
    now = datetime.now(UTC)
    envelope = Envelope(
        id=_message_id(attributes),
        source="http",
        type=contract.record_type,
        time=now,
        correlation_id=correlation_id_of(lead_id),
        workflow_time=now,
    )

    async def read() -> BaseModel:
        return record

    return Delivery(envelope, lead_id, read)


def _taken(contracts: OwnContracts, record_type: str) -> OwnContract:
    contract = contracts.inputs.get(RecordType(record_type))
    if contract is None:
        taken = ", ".join(contracts.inputs)
        wanted = record_type or "no record type: name it by ?type="
        raise refused(f"this agent takes {taken}, not {wanted}", Reason.NOT_ADMITTED, "ce-type")
    return contract


def _validated(contract: OwnContract, body: bytes) -> BaseModel:
    try:
        record = contract.model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise refused(first["msg"], Reason.MALFORMED, place) from error
    contract.encode(record)  # the data rules of the contract hold for people, too
    return record


def _lead_id(record: Any, attributes: Mapping[str, str]) -> LeadId:
    lead_id = getattr(getattr(record, "lead", record), "lead_id", None) or attributes.get(PARTITION_KEY)
    if not lead_id:
        detail = f"the record has no lead id; name the lead in the header {PARTITION_KEY}"
        raise refused(detail, Reason.HEADER_INVALID, PARTITION_KEY)
    return LeadId(text(str(lead_id).encode(), PARTITION_KEY))


def _message_id(attributes: Mapping[str, str]) -> MessageId:
    named = attributes.get("ce-id") or attributes.get("idempotency-key")
    return MessageId(text(named.encode(), "ce-id") if named else str(uuid4()))
