"""The names of the headers, each written here and nowhere else; docs/interfaces.md says what is in them."""

from typing import Final

CE_SPECVERSION: Final = "ce_specversion"
CE_ID: Final = "ce_id"
CE_SOURCE: Final = "ce_source"
CE_TYPE: Final = "ce_type"
CE_TIME: Final = "ce_time"
CE_CORRELATIONID: Final = "ce_correlationid"
CE_CAUSATIONID: Final = "ce_causationid"
CE_HOP: Final = "ce_hop"
CE_WORKFLOWTIME: Final = "ce_workflowtime"
CE_TOKENS: Final = "ce_tokens"
CE_VISITS: Final = "ce_visits"

DEAD_LETTER: Final = "dl_"
"""What the names of a dead letter's own headers begin with."""
DL_REASON: Final = "dl_reason"
DL_DETAIL: Final = "dl_detail"
DL_FIELD: Final = "dl_field"
DL_TOPIC: Final = "dl_topic"
DL_PARTITION: Final = "dl_partition"
DL_OFFSET: Final = "dl_offset"
DL_TIME: Final = "dl_time"
DL_STAGE: Final = "dl_stage"
DL_MODEL_CALLS: Final = "dl_model_calls"
DL_BY_REFERENCE: Final = "dl_by_reference"
"""Names what a dead letter leaves out: ``headers``, ``key``, ``value``, joined by commas."""
DL_DIGEST: Final = "dl_digest"
DL_SIZE: Final = "dl_size"
DL_EXPIRES_AT: Final = "dl_expires_at"
"""When the bytes of the source go, RFC 3339; empty when the topic keeps them."""

ROUTE_AGENT: Final = "route_agent"
"""Names the agent that is to take the message; not there when the workflow ends."""
ROUTE_OUTCOME: Final = "route_outcome"
ROUTE_AFRESH: Final = "route_afresh"
"""There when the counts of its workflow began from zero, as a person replayed it."""


def http_name(name: str) -> str:
    """Return what a header of a Kafka record is called in HTTP (CloudEvents HTTP binding 3.1.3)."""
    return name.replace("ce_", "ce-", 1)
