"""Records that could have arrived, and the brokers that they arrive at, for the fuzzer of the stages."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gate_fuzz import Mutator
from limited_broker import Limits, batch_bytes
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, GOVERNANCE_AUDIT, INCOMING_LEADS
from signalbox.protocol.records import Record

AT_ONCE: Final = 25
GOOD: Final = "as the catalog says"
LARGEST: Final = 300_000
"""What a source takes: a little more than the gate, so that the sizes of interest are cheap to make."""
_PARTITIONS: Final = 3
_ROOM: Final = 64 * 1024
_BOMB: Final = 20_000_000


def as_the_catalog_says() -> dict[str, Limits]:
    sources = dict.fromkeys((INCOMING_LEADS, AGENT_MESSAGES, AGENT_ROUTES), Limits(_PARTITIONS, LARGEST))
    dead_letters = {f"{name}_dlt": Limits(_PARTITIONS, LARGEST + _ROOM) for name in sources}
    return {
        **sources,
        AGENT_ROUTES: Limits(_PARTITIONS, 4 * LARGEST),
        **dead_letters,
        GOVERNANCE_AUDIT: Limits(1, LARGEST),
    }


def wrong(name: str, limits: Limits | None) -> Callable[[], dict[str, Limits]]:
    """Make topics of which those whose names end in ``name`` have other limits, or are missing."""

    def topics() -> dict[str, Limits]:
        found = as_the_catalog_says()
        for topic in [topic for topic in found if topic.endswith(name)]:
            found.pop(topic)
            if limits is not None:
                found[topic] = limits
        return found

    return topics


BROKERS: Final[dict[str, Callable[[], dict[str, Limits]]]] = {
    GOOD: as_the_catalog_says,
    "one limit for all": wrong("", Limits(_PARTITIONS, LARGEST)),
    "letters are small": wrong("_dlt", Limits(_PARTITIONS, 20_000)),
    "letters are tiny": wrong("_dlt", Limits(_PARTITIONS, 1_000)),
    "letters have one partition": wrong("_dlt", Limits(1, LARGEST + _ROOM)),
    "routes are small": wrong(AGENT_ROUTES, Limits(_PARTITIONS, 2_000)),
    "routes have one partition": wrong(AGENT_ROUTES, Limits(1, 4 * LARGEST)),
    "no audit": wrong(GOVERNANCE_AUDIT, None),
    "a small audit": wrong(GOVERNANCE_AUDIT, Limits(1, 300)),
}


class Sender:
    """Makes records that could have arrived: as large as their topic takes, compressed as well as can be."""

    def __init__(self, seeds: list[Record], chance: random.Random) -> None:
        self._mutator = Mutator(seeds, chance)
        self._seeds = seeds
        self._chance = chance
        self._sent = 0

    def batch(self) -> list[Record]:
        topic = self._chance.choice((INCOMING_LEADS, AGENT_MESSAGES))
        offsets: defaultdict[int, int] = defaultdict(int)
        made = []
        for _ in range(AT_ONCE):
            partition = self._chance.randrange(_PARTITIONS)
            one = replace(self._record(), topic=topic, partition=partition, offset=offsets[partition])
            offsets[partition] += 1
            made.append(one)
        return made

    def _record(self) -> Record:
        while True:
            self._sent += 1
            seed = (
                self._mutator.mutated() if self._chance.random() < 0.6 else self._chance.choice(self._seeds)
            )
            made = self._grown(self._named(seed))
            if batch_bytes(made, level=9) <= LARGEST:
                return made

    def _named(self, record: Record) -> Record:
        """Give a record that keeps its identity one of its own."""
        own = f"{self._sent}".encode()
        headers = tuple(
            (name, own if name == "ce_id" and value == b"m-1" else value) for name, value in record.headers
        )
        return replace(record, headers=headers, key=b"lead-" + own if record.key == b"lead-1" else record.key)

    def _grown(self, record: Record) -> Record:
        match self._chance.randrange(9):
            case 0:
                return replace(record, value=self._bytes())
            case 1:
                return replace(record, key=self._bytes())
            case 2 | 3:
                name = self._chance.choice(
                    ("ce_id", "ce_correlationid", "ce_visits", "traceparent", "x", "dl_reason")
                )
                return replace(record, headers=(*record.headers, (name, self._bytes())))
            case 4:
                named = "n" * self._chance.randrange(1, LARGEST)
                return replace(record, headers=(*record.headers, (named, None)))
            case 5:
                many = self._chance.randrange(1, 60_000)
                return replace(record, headers=(*record.headers, *((("h", b"x"),) * many)))
            case _:
                return record

    def _bytes(self) -> bytes:
        size = self._chance.choice((0, 1, 512, 513, 100_000, 262_144, 299_000, LARGEST - 100))
        match self._chance.randrange(8):
            case 0:
                return b"\0" * (_BOMB if self._chance.random() < 0.05 else 4 * LARGEST)
            case 1:
                return b"\xff" * size
            case 2:
                return "ä".encode() * (size // 2)
            case _:
                return self._chance.randbytes(max(0, size - self._chance.randrange(600)))
