"""Reads everything that a run left behind: every topic, every store, every log. The console is only asked
for its figures; nothing here uses its code, nor the system's reader or codec.
"""

import io
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import fastavro
import httpx2
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from sqlalchemy.engine import make_url

from evidence import (
    AUDIT,
    MESSAGES,
    REGISTRATIONS,
    ROUTES,
    TOPICS,
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
from fault import AGENTS, World
from history import told_by
from signalbox.protocol.records import Record
from workload import bootstrap_servers, registry_api

_FRAME: Final = 5
_READ_WITHIN_S: Final = 120.0
_DECODED_MESSAGES: Final = frozenset({"sdr.LeadScored", "sdr.CampaignScheduled"})
_MAILS: Final = """
    SELECT m.message_id, c.correlation_id, m.recipient, m.status,
        CASE m.status WHEN 'held' THEN m.scheduled_at ELSE m.due_at END <= ? AS due
    FROM mails AS m JOIN campaigns AS c ON c.campaign_id = m.campaign_id
"""


def collected(world: World, history: Path, memory: Iterable[Memory]) -> Evidence:
    """Read what the run left behind; the stack has to be up and quiet."""
    told = told_by(history)
    records = read_topics(bootstrap_servers(world.stack))
    data = Path(world.stack.env["DATA_DIR"])
    schedule = data / "send_email" / "schedule.db"
    campaigns: dict[str, tuple[str, ...]] = {}
    for workflow, campaign in _rows(schedule, "SELECT correlation_id, campaign_id FROM campaigns"):
        campaigns[workflow] = (*campaigns.get(workflow, ()), campaign)
    return Evidence(
        sendings=told.sendings,
        unacknowledged=told.unacknowledged,
        injections=told.injections,
        records=records,
        decoded=_decoded(records, _Schemas(registry_api(world.stack))),
        leads=_leads(data / "lead_capture" / "leads.db"),
        campaigns=campaigns,
        mails=tuple(_mails(schedule)),
        received=tuple(_received(world.mails)),
        answers=tuple(answer for agent in AGENTS for answer in _answers(world, data, agent)),
        model_calls=tuple(ModelCall(one["task"], one["message_id"]) for one in lines(world.model_calls)),
        memory=tuple(memory),
        stats=httpx2.get(f"{world.stack.addresses['console']}/api/stats", timeout=60)
        .raise_for_status()
        .json(),
        forged_to=tuple(
            f"{one['request']}{' with a token' if one['token'] else ''}" for one in lines(world.forger)
        ),
    )


def read_topics(servers: str) -> dict[str, tuple[Record, ...]]:
    """Read each topic from its earliest record to its end, committed records only.

    Raises:
        KafkaException: a partition's end was not reached in time.
    """
    client = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "fault-checker",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 4 * 1024 * 1024,
        }
    )
    try:
        known = client.list_topics(timeout=30).topics
        wanted = {(topic, number) for topic in TOPICS for number in known[topic].partitions}
        client.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in wanted])
        found: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        for message in _until_the_ends(client, wanted):
            found[str(message.topic())].append(_record(message))
    finally:
        client.close()
    return {topic: tuple(sorted(records, key=place)) for topic, records in found.items()}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a file, none where there is no file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def _until_the_ends(client: Consumer, unfinished: set[tuple[str, int]]) -> Iterator[Message]:
    deadline = time.monotonic() + _READ_WITHIN_S
    while unfinished:
        if time.monotonic() > deadline:
            raise KafkaException(f"the ends of {sorted(unfinished)} were not reached")
        message = client.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            unfinished.discard((str(message.topic()), int(message.partition() or 0)))


def _record(message: Message) -> Record:
    def as_bytes(value: str | bytes | None) -> bytes | None:
        return value.encode() if isinstance(value, str) else value

    pairs: Any = message.headers() or []
    return Record(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=as_bytes(message.key()),
        value=as_bytes(message.value()),
        headers=tuple((name, as_bytes(value)) for name, value in pairs),
        timestamp_ms=message.timestamp()[1],
    )


class _Schemas:
    """Schemas by their id, from the registry."""

    def __init__(self, registry: str) -> None:
        self._registry = registry
        self._known: dict[int, Any] = {}

    def decode(self, value: bytes) -> Mapping[str, Any]:
        """Decode a framed record with the schema that it was written with."""
        schema_id = int.from_bytes(value[1:_FRAME], "big")
        if schema_id not in self._known:
            answer = httpx2.get(f"{self._registry}/schemas/ids/{schema_id}", timeout=30).raise_for_status()
            self._known[schema_id] = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        datum = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), self._known[schema_id], None)
        assert isinstance(datum, dict)
        return datum


def _decoded(records: Mapping[str, tuple[Record, ...]], schemas: _Schemas) -> dict[Place, Mapping[str, Any]]:
    """Decode what the system wrote itself, and the messages whose contents a condition looks at."""
    own = [record for topic in (ROUTES, REGISTRATIONS, AUDIT) for record in records[topic]]
    routed = {_source(schemas.decode(route.value)) for route in records[ROUTES] if route.value}
    passed = [
        record
        for record in records[MESSAGES]
        if said(record, "ce_type") in _DECODED_MESSAGES and place(record) in routed
    ]
    return {place(record): schemas.decode(record.value) for record in [*own, *passed] if record.value}


def _source(route: Mapping[str, Any]) -> Place:
    return Place(route["source_topic"], route["source_partition"], route["source_offset"])


def _leads(path: Path) -> dict[str, bool]:
    return {
        lead: bool(published) for lead, published in _rows(path, "SELECT lead_id, published_ms FROM leads")
    }


def _received(path: Path) -> Iterator[Received]:
    for one in lines(path):
        yield Received(one["message_id"], one["recipient"], one["fault"])


def _mails(path: Path) -> Iterator[MailRow]:
    for message_id, workflow, recipient, status, due in _rows(path, _MAILS, time.time()):
        yield MailRow(message_id, workflow, recipient, status, due=bool(due))


def _answers(world: World, data: Path, agent: str) -> Iterator[StoredAnswer]:
    url = world.env_of.get(agent, {}).get("STATE_STORE_URL") or world.env.get("STATE_STORE_URL")
    path = Path(make_url(url).database or "") if url else data / agent / "state.db"
    for answer, value in _rows(path, "SELECT id, value FROM workflow_answers"):
        yield StoredAnswer(agent, answer, bytes(value))


def _rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return list(connection.execute(query, values))
    finally:
        connection.close()
