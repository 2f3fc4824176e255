"""Somebody with all rights of one agent writes other agents' registrations, with an endpoint of his own."""

import asyncio
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from committed_contracts import schema_text
from evidence import FORGED
from fault import AGENTS, Kind, World, append_line
from injectors.background import BackgroundLoop
from injectors.evidence_of_harm import note_struck
from injectors.listener import Listener, streams
from signalbox.avro import decode, encode, parse, unframe
from signalbox.kafka import KafkaSettings, Producer, read_to_end
from signalbox.protocol.names import AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox.trust import SIGNATURE, SigningKey, sealed

_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class Forger:
    """Listens where forged registrations lead, takes whatever comes, and says that all is well."""

    def __init__(self, loop: BackgroundLoop, log: Path) -> None:
        self._log = log
        self.listener = Listener(loop, "forger", streams(self._serve))

    @property
    def url(self) -> str:
        """Where it listens; `AGENT_ENDPOINT_ALLOW` allows it, as it does every agent of this machine."""
        return f"http://127.0.0.1:{self.listener.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        said = head.decode("latin-1")
        append_line(
            self._log,
            {"request": said.partition("\r\n")[0], "token": "\nauthorization:" in said.lower()},
        )
        writer.write(_ANSWER)
        await writer.drain()
        writer.close()


@dataclass
class ForgedRegistrations:
    """Every kind of forgery for each agent, by one that has its own key and may write ``agent_registry``."""

    forger: Forger
    name: str = "registration-forged"
    kind: Kind = Kind.REGISTRATION
    _written: int = 0

    async def inject(self, world: World, rng: random.Random) -> str:
        servers = world.stack.env["KAFKA_BOOTSTRAP_SERVERS"]
        kafka = KafkaSettings(bootstrap_servers=servers)
        records = await asyncio.to_thread(lambda: list(read_to_end(kafka, [AGENT_REGISTRY])))
        genuine = {one.key: one for one in records if one.value and one.header(FORGED) is None}
        thief = rng.choice(AGENTS)
        drafts = [
            draft
            for agent in AGENTS
            for draft in _forgeries(
                world, AgentId(agent), AgentId(thief), genuine[agent.encode()], self.forger
            )
        ]
        rng.shuffle(drafts)
        producer = Producer(kafka, "fault-forged-registrations")
        try:
            await producer.publish(*drafts)
            self._written += len(drafts)
        finally:
            await asyncio.shield(producer.close())
        return f"{self.name}: {len(drafts)} for {len(AGENTS)} agents, by {thief}"

    async def heal(self, world: World) -> None:
        """Mend nothing: what was written stays written."""
        note_struck(world, self.name, self._written)
        self._written = 0


def _forgeries(world: World, agent: AgentId, thief: AgentId, genuine: Record, forger: Forger) -> list[Draft]:
    keys = Path(world.stack.env["AGENT_KEYS_DIR"]) / "agents"
    own = SigningKey((keys / f"{agent}.key").read_text())
    stolen = SigningKey((keys / f"{thief}.key").read_text()) if thief != agent else SigningKey.generate()
    moved, now = _moved(genuine, forger.url), int(time.time() * 1000)
    unsigned = Draft(
        AGENT_REGISTRY, genuine.key, moved, tuple(one for one in genuine.headers if one[0] != SIGNATURE)
    )
    gone = replace(unsigned, value=None)
    return [
        replace(draft, headers=(*draft.headers, (FORGED, what)))
        for what, draft in (
            (b"unsigned", unsigned),
            (b"another agent's key", _signed(unsigned, stolen, agent, now)),
            (b"the signature of another value", replace(unsigned, headers=genuine.headers)),
            (b"an old one of its own", _signed(unsigned, own, agent, 1)),
            (b"its own, from elsewhere", _signed(unsigned, own, agent, now)),
            (b"an unsigned tombstone", gone),
            (b"a tombstone by another", _signed(gone, stolen, agent, now)),
            (b"an old tombstone of its own", _signed(gone, own, agent, 1)),
        )
    ]


def _signed(draft: Draft, key: SigningKey, agent: AgentId, time_ms: int) -> Draft:
    return replace(draft, headers=(*draft.headers, *sealed(key, agent, draft.value, time_ms)))


def _moved(genuine: Record, endpoint: str) -> bytes:
    """Return the announcement with another endpoint, which takes whatever there is."""
    schema_id, body = unframe(genuine.value)
    schema = parse(schema_text("control.AgentRegistered"))
    everything = [{"record_type": f"sdr.{name}", "when": None} for name in ("LeadCaptured", "LeadProfiled")]
    datum = decode(body, schema)
    return encode(schema_id, schema, {**datum, "endpoint": endpoint, "input": datum["input"] + everything})
