"""An agent whose answers break the contract: records on ``agent_messages`` as if it had written them."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fault import Kind, World
from history import MARK, End, History, Sending, Way, digest_of
from injectors.evidence_of_harm import note_struck
from malformed_examples import MalformedExample, load
from signalbox.kafka import KafkaSettings, Producer
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AGENT_MESSAGES, LeadId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft

_FIRST_NUMBER: Final = 1_000_000  # beyond whatever the workload counts to
_AT_ONCE: Final = 5
_PATIENCE_S: Final = 90.0
_PAUSE_S: Final = 0.5
_WRITTEN_BY: Final = {
    b"sdr.LeadProfiled": "lead_ingestion",
    b"sdr.LeadScored": "lead_scoring",
    b"sdr.CampaignDrafted": "active_outreach",
    b"sdr.CampaignScheduled": "send_email",
}
_AT_INTAKE: Final = "intake_rule_violated"


@dataclass
class BrokenAnswers:
    """A few such records, noted in the history as what has to be refused; nothing is left to heal."""

    examples: Path
    name: str = "agent-breaks-its-contract"
    kind: Kind = Kind.AGENT
    _written: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(_FIRST_NUMBER))

    async def inject(self, world: World, rng: random.Random) -> str:
        servers = world.stack.env["KAFKA_BOOTSTRAP_SERVERS"]
        producer = Producer(KafkaSettings(bootstrap_servers=servers), "fault-broken-answers")
        written: list[str] = []
        try:
            for example in rng.sample(_broken(self.examples), _AT_ONCE):
                written.append(await self._write(world, example, producer))
        except Unavailable as error:
            written.append(f"and no more, since {error}")
        finally:
            await asyncio.shield(producer.close())
        return f"{self.name}: {', '.join(written)}"

    async def _write(self, world: World, example: MalformedExample, producer: Producer) -> str:
        number = next(self._numbers)
        made = await example.draft(world.stack.addresses["registry"])
        agent = _WRITTEN_BY[dict(made.headers).get("ce_type") or b""]
        draft = _by(agent, made, f"fault-broken-{number}", number)
        history = History(world.run_dir / "history.jsonl")
        history.sending(_refused(example, draft, number))
        await _published(producer, draft)
        history.sent(number)
        self._written += 1
        return f"{example.name} by {agent}"

    async def heal(self, world: World) -> None:
        """Mend nothing: what was written stays written."""
        note_struck(world, self.name, self._written)
        self._written = 0


async def _published(producer: Producer, draft: Draft) -> None:
    """Write a record even while a broker is away; then it may be there twice, and is refused twice."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(Unavailable):
                await producer.publish(draft)
                return
            await asyncio.sleep(_PAUSE_S)


def _broken(folder: Path) -> list[MalformedExample]:
    """Return the examples that an agent with a fault in its code could have written."""
    reasons = {Reason.RULE_VIOLATED, Reason.MALFORMED}
    return [one for one in load(folder) if one.expected.reason in reasons and one.name != _AT_INTAKE]


def _by(agent: str, draft: Draft, lead_id: str, number: int) -> Draft:
    own = {
        "ce_id": f"{lead_id}-answer",
        "ce_source": agent,
        "ce_correlationid": correlation_id_of(LeadId(lead_id)),
    }
    headers = [(name, own[name].encode() if name in own else value) for name, value in draft.headers]
    return replace(draft, key=lead_id.encode(), headers=(*headers, (MARK, str(number).encode())))


def _refused(example: MalformedExample, draft: Draft, number: int) -> Sending:
    return Sending(
        number,
        Way.MALFORMED,
        End.REJECTED,
        "",
        topic=AGENT_MESSAGES,
        digest=digest_of(draft.key, draft.value, draft.headers),
        example=example.name,
        reason=example.expected.reason.value,
        field=example.expected.field,
    )
