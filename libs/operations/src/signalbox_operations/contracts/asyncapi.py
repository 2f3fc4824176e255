"""The catalog as an AsyncAPI 3.0 document: channels are topics, messages are record types with their Avro.

Source: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; CloudEvents 1.0.2, *Kafka Protocol Binding*, binary mode.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from signalbox.catalog import Catalog, CatalogRecord, CatalogTopic
from signalbox.protocol.headers import CE, DL
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.sources import Sources

_AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
_BINDINGS: Final = "0.5.0"
_REQUIRED: Final = (
    CE.SPECVERSION,
    CE.ID,
    CE.SOURCE,
    CE.TYPE,
    CE.TIME,
    CE.CORRELATIONID,
    CE.HOP,
)
_HEADERS: Final = {
    CE.SPECVERSION: "CloudEvents version, 1.0.",
    CE.ID: "Id of the message; the same when it is delivered again.",
    CE.SOURCE: "The service that wrote it.",
    CE.TYPE: "The record type.",
    CE.TIME: "When it was written, RFC 3339.",
    "content-type": "application/avro.",
    CE.CORRELATIONID: "Id of the lead's workflow.",
    CE.CAUSATIONID: "ce_id of the message that this one answers.",
    CE.HOP: "Hops of the workflow so far, decimal.",
    "traceparent": "W3C trace context.",
    CE.WORKFLOWTIME: "When the workflow began, RFC 3339.",
    CE.TOKENS: "Model tokens that the workflow has used so far, decimal.",
    CE.COST: "What its model requests cost so far, in billionths of a US dollar, decimal.",
    CE.USEDTOKENS: "Model tokens that this record took; on a route, its decision and its message.",
    CE.USEDCOST: "What they cost, in billionths of a US dollar, decimal.",
    CE.VISITS: "Visits by agent, as id=n,….",
}
_DEAD_LETTER_HEADERS: Final = {
    DL.REASON: "Why it was stopped, one word.",
    DL.DETAIL: "Why, in a sentence.",
    DL.FIELD: "The path inside the record, or the header's name.",
    DL.TOPIC: "Topic of the original.",
    DL.PARTITION: "Partition of the original.",
    DL.OFFSET: "Offset of the original.",
    DL.TIME: "When it was stopped, RFC 3339.",
    DL.STAGE: "Where it was stopped.",
    DL.MODEL_CALLS: "Calls to a model that it took.",
}
_REFERENCE_HEADERS: Final = {
    DL.BY_REFERENCE: "What the letter leaves out (headers, key, value); absent in a whole one.",
    DL.DIGEST: "With dl_by_reference: SHA-256 of the original's key, value and headers.",
    DL.SIZE: "With dl_by_reference: bytes of the original's value.",
    DL.EXPIRES_AT: "With dl_by_reference: when the original is gone from its topic, RFC 3339.",
}
_DEAD_LETTER: Final = "DeadLetter"


def asyncapi(catalog: Catalog) -> dict[str, Any]:
    """Return the document as plain values.

    Raises:
        ConfigurationError: a catalogued record has no source.
    """
    sources = Sources.load(catalog.directory / "avro")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Signalbox contracts",
            "version": "1.0.0",
            "description": "Topics, and the record types that each admits. Values are Confluent-framed"
            " Avro: magic byte 0, the schema id in four bytes, the body.",
        },
        "defaultContentType": "application/avro",
        "channels": {name: _channel(name, topic) for name, topic in catalog.topics.items()},
        "components": {
            "messages": {
                **{name: _message(name, entry, sources) for name, entry in catalog.records.items()},
                _DEAD_LETTER: _dead_letter(),
            },
            "messageTraits": {
                "cloudEvent": {"headers": _headers(_HEADERS, _REQUIRED)},
                "leadKey": _key("The lead's id."),
                "agentKey": _key("The agent's id."),
            },
        },
    }


def _channel(name: str, topic: CatalogTopic) -> dict[str, Any]:
    admitted: list[str] = [*topic.admits] or [_DEAD_LETTER]
    return {
        "address": name,
        "description": topic.doc,
        "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in admitted},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": topic.partitions,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": _BINDINGS,
            }
        },
    }


def _configuration(topic: CatalogTopic) -> dict[str, Any]:
    return {
        "cleanup.policy": ["compact" if topic.compacted else "delete"],
        "retention.ms": topic.retention_ms if topic.retention_ms is not None else -1,
        "max.message.bytes": topic.max_message_bytes,
    }


def _message(name: RecordType, entry: CatalogRecord, sources: Sources) -> dict[str, Any]:
    schema = json.loads(sources.schema_text(name))
    key = "agentKey" if name == "control.AgentRegistered" else "leadKey"
    return {
        "name": name,
        "title": str(schema["name"]),
        "summary": entry.doc,
        "description": str(schema.get("doc", "")),
        "contentType": "application/avro",
        "traits": [{"$ref": f"#/components/messageTraits/{one}"} for one in ("cloudEvent", key)],
        "payload": {"schemaFormat": _AVRO, "schema": schema},
        "x-owner": entry.owner,
        "x-compatibility": str(entry.compatibility),
        "x-terminal": entry.terminal,
        "x-producers": [*entry.producers],
        "x-consumers": [*entry.consumers],
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": _DEAD_LETTER,
        "title": "Dead letter",
        "summary": "A record that was stopped: its original key, value and headers, and why.",
        "headers": _headers(
            {**_DEAD_LETTER_HEADERS, **_REFERENCE_HEADERS, **_HEADERS}, tuple(_DEAD_LETTER_HEADERS)
        ),
    }


def _headers(described: Mapping[str, str], required: Sequence[str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": doc} for name, doc in described.items()}
    return {"type": "object", "properties": properties, "required": [*required]}


def _key(doc: str) -> dict[str, Any]:
    key = {"type": "string", "description": doc}
    return {"bindings": {"kafka": {"key": key, "bindingVersion": _BINDINGS}}}
