"""The names of the headers, each written here and nowhere else; docs/interfaces.md says what is in them."""

from typing import Final


class CE:
    """CloudEvents attributes, as a Kafka record has them."""

    SPECVERSION: Final = "ce_specversion"
    ID: Final = "ce_id"
    SOURCE: Final = "ce_source"
    TYPE: Final = "ce_type"
    TIME: Final = "ce_time"
    CORRELATIONID: Final = "ce_correlationid"
    CAUSATIONID: Final = "ce_causationid"
    HOP: Final = "ce_hop"
    WORKFLOWTIME: Final = "ce_workflowtime"
    TOKENS: Final = "ce_tokens"
    COST: Final = "ce_cost"
    """What the workflow's model requests cost so far, in billionths of a US dollar; not there: nothing."""
    USEDTOKENS: Final = "ce_usedtokens"
    USEDCOST: Final = "ce_usedcost"
    """What this record's own model requests took. A route tells what its decision and its message took."""
    VISITS: Final = "ce_visits"
    PROMPTVERSION: Final = "ce_promptversion"
    """What the agent's model was told: :func:`signalbox.models.prompt_version`, several joined by commas."""


class DL:
    """What a dead letter says of itself, beside the headers of its record."""

    PREFIX: Final = "dl_"
    REASON: Final = "dl_reason"
    DETAIL: Final = "dl_detail"
    FIELD: Final = "dl_field"
    TOPIC: Final = "dl_topic"
    PARTITION: Final = "dl_partition"
    OFFSET: Final = "dl_offset"
    TIME: Final = "dl_time"
    STAGE: Final = "dl_stage"
    MODEL_CALLS: Final = "dl_model_calls"
    TOKENS: Final = "dl_tokens"
    COST: Final = "dl_cost"
    """What no route tells: the tokens and cost of the last decision, and of the message, if none was made."""
    BY_REFERENCE: Final = "dl_by_reference"
    """Names what a dead letter leaves out: ``headers``, ``key``, ``value``, joined by commas."""
    DIGEST: Final = "dl_digest"
    SIZE: Final = "dl_size"
    EXPIRES_AT: Final = "dl_expires_at"
    """When the bytes of the source go, RFC 3339; empty when the topic keeps them."""


ROUTE_AGENT: Final = "route_agent"
"""Names the agent that is to take the message; not there when the workflow ends."""
ROUTE_OUTCOME: Final = "route_outcome"
ROUTE_AFRESH: Final = "route_afresh"
"""There when the counts of its workflow began from zero, as a person replayed it."""


def http_name(name: str) -> str:
    """Return what a header of a Kafka record is called in HTTP (CloudEvents HTTP binding 3.1.3)."""
    return name.replace("ce_", "ce-", 1)
