"""Agents as processes of their own, which are killed; and what they are asked, as the dispatcher asks it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy as sql

from committed_contracts import schema_text
from local_stack.ports import free_ports
from signalbox.avro import encode, parse
from signalbox.kafka import KafkaSettings, read_to_end
from signalbox.protocol.agent_http import messages_url, request_headers
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, LeadId, MessageId, RecordType, SchemaId, Subject
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings
from signing import by_keys_in

_DEADLINE_S = 60.0


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until ``holds`` says so; ``what`` is told when it never does."""
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true in time: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Posted:
    """A message as the dispatcher posts it: the same each time."""

    headers: dict[str, str]
    body: bytes


@dataclass
class AgentProcess:
    """One running agent."""

    child: "subprocess.Popen[bytes]"
    url: str
    agent: str
    keys: Path
    log: Path

    def until_ready(self) -> "AgentProcess":
        until(self._is_ready, "the agent is ready")
        return self

    def take(self, message: Posted) -> httpx2.Response:
        url, auth = messages_url(self.url), by_keys_in(self.keys, self.agent)
        return httpx2.post(url, content=message.body, headers=message.headers, auth=auth, timeout=_DEADLINE_S)

    def in_flight(self) -> int:
        """Return how many messages are worked on or wait."""
        lines = httpx2.get(f"{self.url}/metrics").text.splitlines()
        found = [line for line in lines if line.startswith("signalbox_agent_in_flight{")]
        return int(float(found[0].rpartition(" ")[2])) if found else 0

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        assert self.child.wait(30) == -signal.SIGKILL

    def _is_ready(self) -> bool:
        assert self.child.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"{self.url}/readyz").is_success
        except httpx2.TransportError:
            return False


class AgentProcesses:
    """Starts agents; what is left of them ends with ``afterwards``."""

    def __init__(self, environment: Mapping[str, str], folder: Path, afterwards: ExitStack) -> None:
        self._environment = environment
        self._afterwards = afterwards
        self._threads = afterwards.enter_context(ThreadPoolExecutor(16))
        self.folder = folder

    def start(self, agent: str, *command: str, **settings: str) -> AgentProcess:
        """Start Python with ``command``; ``agent`` is the agent's id."""
        port = free_ports([agent])[agent]
        environment = {
            **os.environ,
            **self._environment,
            f"{agent.upper()}_PORT": str(port),
            "DATA_DIR": str(self.folder / "data"),
            "AGENT_KEYS_DIR": str(self.folder / "keys"),
            "LLM_MODEL": "offline",
            **settings,
        }
        log_file = self.folder / "log"
        with log_file.open("ab") as log:
            child = subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)
        self._afterwards.callback(child.wait)
        self._afterwards.callback(child.kill)
        return AgentProcess(child, f"http://127.0.0.1:{port}", agent, self.folder / "keys", log_file)

    def give(self, agent: AgentProcess, message: Posted) -> "Future[httpx2.Response]":
        """Post a message whose answer may never come."""
        return self._threads.submit(agent.take, message)


def schema_ids(environment: Mapping[str, str], record_types: Sequence[str]) -> dict[str, SchemaId]:
    """Look up under which ids the contracts of ``record_types`` are registered."""

    async def look_up() -> dict[str, SchemaId]:
        registry = Registry(RegistrySettings(url=environment["SCHEMA_REGISTRY_URL"]))
        try:
            found = {name: await registry.lookup(Subject(name), schema_text(name)) for name in record_types}
        finally:
            await registry.close()
        return {name: schema_id for name, schema_id in found.items() if schema_id is not None}

    return asyncio.run(look_up())


def posted(schema_id: SchemaId, record_type: str, lead_id: str, datum: Mapping[str, Any]) -> Posted:
    """Make a message about a lead, with an id that depends on the lead alone."""
    lead = LeadId(lead_id)
    envelope = Envelope(
        id=MessageId(f"message-{lead_id}"),
        source="test",
        type=RecordType(record_type),
        time=datetime(2030, 1, 2, tzinfo=UTC),
        correlation_id=correlation_id_of(lead),
    )
    return Posted(request_headers(envelope, lead), encode(schema_id, parse(schema_text(record_type)), datum))


def a_lead(lead_id: str) -> dict[str, Any]:
    """Return the fields of a lead as its contract wants them."""
    return {
        "lead_id": lead_id,
        "name": "Ada Łovelace",
        "email": f"{lead_id}@engines.example",
        "company_name": "Analytical Engines",
        "job_title": "Countess",
        "lead_source": "webinar",
        "captured_at": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    }


def messages_by_lead(environment: Mapping[str, str]) -> dict[str, list[Record]]:
    """Read what was published until now; a lead of whom nothing was has no records."""
    settings = KafkaSettings(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"])
    found: dict[str, list[Record]] = defaultdict(list)
    for record in read_to_end(settings, [AGENT_MESSAGES]):
        found[(record.key or b"").decode()].append(record)
    return found


def rows(url: str | sql.URL, query: str) -> list[tuple[Any, ...]]:
    """Look into a store."""
    engine = sql.create_engine(url)
    try:
        with engine.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]
    finally:
        engine.dispose()


@contextmanager
def writes_held(url: str | sql.URL, table: str) -> Iterator[None]:
    """Let everybody read ``table``, and no one write it."""
    engine = sql.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE MODE")
            yield
            connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()
