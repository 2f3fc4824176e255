"""Send hostile records through stages and a broker with real limits: ``stage_fuzz.py --count 20000``.

Headers, keys and values up to what a broker takes, compressed or not, go through intake and routing. The
broker refuses what Apache Kafka refuses, and has what operators get wrong: dead letter topics with less room
or fewer partitions, an audit topic that is small or missing. Exit status 0 says: no stage waited, each record
has exactly one outcome, its bytes can be had back, and no dead letter left out what its topic had room for.
"""

import asyncio
import logging
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

# Run as a script, too; pytest has this folder on its path by itself.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

import structlog

from fuzz_command import run, show
from gate_fuzz import corpus, fuzzed_registry
from hostile_records import AT_ONCE, BROKERS, GOOD, LARGEST, Sender
from limited_broker import LimitedBroker, LimitedProducer, ScriptedConsumer, batch_bytes
from memory_registry import impatient_gate, register_committed
from orchestrator.consume.deciding import Decide
from orchestrator.consume.ladder import References
from orchestrator.consume.wiring import stage as stage_of
from signalbox.control.models import RouteDecided
from signalbox.gate import Accepted
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import Partition
from signalbox.protocol import reasons
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.lesser_dead_letters import completed, leaves_out
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, INCOMING_LEADS, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryRegistry
from signalbox_decide.decider import Decider
from signalbox_decide.decisions import Routed
from signalbox_decide.history import TAKEN_IN_FROM, DecisionHistory, IntakeHistory
from signalbox_decide.intake import Intake
from signalbox_decide.records import DecisionRecords, original_of
from signalbox_decide.router import Choice
from signalbox_decide.workflow_usage import WorkflowUsages

SLOW_S: Final = 60.0
"""What one batch may take, of which nothing is ever more than a moment's work: a jam, and no slow machine."""
IN_PART: Final = " in part"

Where = tuple[str, int, int]


@dataclass
class Tally:
    count: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    refusals: int = 0
    slowest_s: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.faults)


class AlwaysRouted:
    """Stands for the selection: its model would be asked for every record that passes the gate."""

    async def route(self, message: Accepted) -> Routed:
        return Routed(message, Choice(AgentId("echo"), "r" * 1000, "offline", 1, 7, 7, 1))


@dataclass
class System:
    """What decides, of one broker and its batch."""

    registry: MemoryRegistry
    control: ControlRecords
    gate: Any
    broker: LimitedBroker

    async def settles(self, records: Sequence[Record]) -> list[str]:
        """Run the batch through its stage; return what went wrong."""
        readiness = Readiness()
        written = DecisionRecords(self.control)
        topic = records[0].topic
        decide, stage = self._decisions(topic, written)
        running = stage_of(
            topic,
            ScriptedConsumer(self.broker, records),  # type: ignore[arg-type]
            LimitedProducer(self.broker),  # type: ignore[arg-type]
            decide,
            readiness,
            limit=AT_ONCE,
            fault_pause_s=0.01,
            instead=lambda one, drafts, why: written.unwritable(one, stage, drafts, why),
            references=References(readiness, lambda _: 3_600_000),
        )
        stopping = asyncio.Event()
        task = asyncio.create_task(running.run(stopping))
        try:
            async with asyncio.timeout(SLOW_S):
                while not self._is_settled(records) and not task.done():
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return [f"a jam: {readiness.waiting_for} {readiness.impaired}"]
        finally:
            stopping.set()
            await asyncio.wait({task}, timeout=SLOW_S)
            task.cancel()
        error = task.exception() if task.done() and not task.cancelled() else None
        faults = [] if error is None else [f"the stage ended: {error!r}"]
        return [*faults, *(f"{why}" for why in readiness.impaired if "its decision fails" in why)]

    def _decisions(self, topic: str, written: DecisionRecords) -> tuple[Decide, reasons.Stage]:
        intake = Intake(self.gate, IntakeHistory(lambda *_: ()))
        workflows = WorkflowUsages()
        history = DecisionHistory(lambda *_: (), workflows)
        selection: Any = AlwaysRouted()
        decider = Decider(self.gate, history, workflows, selection, lambda *_: None)
        at_intake = topic == INCOMING_LEADS

        async def decide(record: Record) -> Sequence[Draft]:
            return written.of(await (intake if at_intake else decider).decide(record))

        return decide, reasons.Stage.INTAKE if at_intake else reasons.Stage.ROUTER

    def _is_settled(self, records: Sequence[Record]) -> bool:
        ends = {Partition(one.topic, one.partition): one.offset + 1 for one in records}
        return all(self.broker.committed.get(at) == end for at, end in ends.items())


def place(record: Record) -> Where:
    return record.topic, record.partition, record.offset


def outcomes(system: System, source: str) -> dict[Where, list[tuple[str, Record]]]:
    """Return what became of each record of ``source``, with what can be had back of it."""
    found: defaultdict[Where, list[tuple[str, Record]]] = defaultdict(list)
    for record in system.broker.on(f"{source}_dlt"):
        dead_letter = DeadLetter.of(record)
        how = f"{dead_letter.reason.value}{IN_PART if leaves_out(dead_letter) else ''}"
        found[(dead_letter.topic, dead_letter.partition, dead_letter.offset)].append((how, record))
    for record in system.broker.on(AGENT_MESSAGES if source == INCOMING_LEADS else AGENT_ROUTES):
        if source == INCOMING_LEADS:
            topic, partition, offset = (record.header(TAKEN_IN_FROM) or b"//").decode().split("/")
            found[(topic, int(partition), int(offset))].append(("COPIED", record))
        else:
            route = system.control.reread(RouteDecided, record.value)
            original = original_of(route)
            found[place(original)].append(("ROUTED", original))
    return found


def check(record: Record, how: str, found: Record) -> str:
    """Say what of ``record`` can't be had back from its outcome."""
    kept = tuple(pair for pair in record.headers if not pair[0].startswith("dl_"))
    if how == "COPIED":
        same = (found.key, found.value) == (record.key, record.value)
    elif how == "ROUTED":
        same = (found.key, found.value, found.headers) == (record.key, record.value, record.headers)
    else:
        original = completed(DeadLetter.of(found), record).original
        same = (original.key, original.value, original.headers) == (record.key, record.value, kept)
    return "" if same else f"{how}: its bytes are lost"


async def fuzz(count: int, seed: int, *, progress: bool = False) -> Tally:
    registry, ids = fuzzed_registry()
    register_committed(registry, "control.")
    control = ControlRecords(registry)
    await control.load()
    gate = impatient_gate(registry)
    chance = random.Random(seed)
    sender = Sender(corpus(ids), chance)
    tally = Tally()
    while tally.count < count:
        name = chance.choice(list(BROKERS))
        system = System(registry, control, gate, LimitedBroker(BROKERS[name]()))
        await _check_batch(system, sender.batch(), name, tally)
        registry.asked.clear()
        if progress and tally.count % (200 * AT_ONCE) == 0:
            print(
                f"{tally.count:>10,} records, {len(tally.faults)} faults, {tally.refusals:,} refusals",
                flush=True,
            )
    return tally


async def _check_batch(system: System, records: list[Record], name: str, tally: Tally) -> None:
    started = time.monotonic()
    faults = await system.settles(records)
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - started)
    tally.count += len(records)
    tally.refusals += system.broker.refusals
    found = outcomes(system, records[0].topic)
    for record in records:
        mine = found.pop(place(record), [])
        if len(mine) != 1:
            faults.append(f"{len(mine)} outcomes of {_shown(record)}")
        for how, kept in mine:
            tally.outcomes[how] += 1
            if lost := check(record, how, kept):
                faults.append(f"{lost}: {_shown(record)}")
            if how.endswith(IN_PART) and name == GOOD and batch_bytes(record) <= LARGEST:
                faults.append(f"{how}, though there was room: {_shown(record)}")
    faults += [f"an outcome of nothing: {at}" for at in found]
    tally.faults += [f"{name}: {fault}" for fault in faults]


def _shown(record: Record) -> str:
    return (
        f"{place(record)} {len(record.value or b'')} bytes, key {len(record.key or b'')} bytes"
        f" {(record.key or b'')[:40]!r}, {len(record.headers)} headers {record.headers[:12]!r:.600}"
    )


def report(tally: Tally, seed: int, took_s: float) -> None:
    print(
        f"seed {seed}: {tally.count:,} records in {took_s:.0f} s, {tally.refusals:,} refusals of the broker,"
        f" slowest batch {tally.slowest_s:.2f} s"
    )
    for how, count in sorted(tally.outcomes.items()):
        print(f"  {how:<28}{count:>10,}")
    show({"faults": tally.faults})


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return run(
        __doc__,
        count=20_000,
        what="records",
        fuzz=lambda count, seed: asyncio.run(fuzz(count, seed, progress=True)),
        report=report,
    )


if __name__ == "__main__":
    sys.exit(main())
