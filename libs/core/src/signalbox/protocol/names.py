"""The names that travel, each with a type of its own, and the topics.

Terms are the field's own: *subject*, *schema id* and *version* as in the Confluent Schema Registry,
*record type* is the Avro full name, and a *contract* is an Avro contract.
"""

from typing import Final, NewType

RecordType = NewType("RecordType", str)
"""An Avro full name, ``sdr.LeadScored``."""
Subject = NewType("Subject", str)
"""A registry subject; equal to the record type (record name strategy)."""
SchemaId = NewType("SchemaId", int)
"""The registry's global schema id, four bytes of each framed message."""
MessageId = NewType("MessageId", str)
"""A CloudEvents ``id``; unique within the system, stable across redeliveries."""
CorrelationId = NewType("CorrelationId", str)
"""One per lead workflow: UUIDv5 of the lead id."""
LeadId = NewType("LeadId", str)
"""A record's key in UTF-8."""
AgentId = NewType("AgentId", str)
"""An agent's ``id`` in its ``agent.yaml``; also its service folder's name."""

Headers = tuple[tuple[str, bytes | None], ...]
"""Kafka headers: ordered, may repeat, a value may be null."""

INCOMING_LEADS: Final = "incoming_leads"
AGENT_MESSAGES: Final = "agent_messages"
AGENT_ROUTES: Final = "agent_routes"
AGENT_REGISTRY: Final = "agent_registry"
AGENT_GRANTS: Final = "agent_grants"
GOVERNANCE_AUDIT: Final = "governance_audit"
READER_GROUPS: Final = "reader."
"""What group ids begin with where topics are read without a group: none is joined, yet clients ask for it."""


def dead_letter_topic(topic: str) -> str:
    """Name the dead letter topic that belongs to ``topic``."""
    return f"{topic}_dlt"


NO_AGENT: Final = "NONE"
"""What the model answers when no candidate should take the message."""
