"""What a fault is to the runner, and the world in which it strikes."""

import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Protocol

from local_stack import Stack
from local_stack.instances import kind_of

AGENTS: Final = ("lead_ingestion", "lead_scoring", "active_outreach", "nurture_campaign", "send_email")


class Kind(IntEnum):
    """The kinds of faults."""

    PROCESS = 1
    """SIGKILL, SIGSTOP and SIGCONT of a service or of the orchestrator."""
    BROKER = 2
    """A broker restarted or killed; the leader of ``agent_messages`` killed."""
    REGISTRY = 3
    """The registry down, slow, answering 500, answering rubbish."""
    MODEL = 4
    """The model: time-outs, 429, 500, answers cut short, foreign agents, an answer of 1 MB."""
    AGENT = 5
    """An agent: 500, hangs, a reset after the work and before the answer, answers that break the contract."""
    SMTP = 6
    """The mail server refuses, hangs, drops the connection after DATA."""
    NETWORK = 7
    """Latency, partition and loss between orchestrator and broker."""
    STORAGE_AND_CLOCK = 8
    """An agent's disk is full; a clock jumps."""
    REBALANCE = 9
    """Orchestrator replicas come and go."""
    PROXY = 10
    """A proxy answers in the place of registry and model: pages, errors, what is no answer of theirs."""
    PAGES = 11
    """Websites of leads' companies: pages that no parser likes, answers that are none or have no end."""
    REGISTRATION = 12
    """Registrations and tombstones forged by somebody who may write the topic."""


@dataclass(frozen=True, slots=True)
class SecondListener:
    """A further port on which a broker listens, and the address that it tells clients which come that way."""

    port: int
    advertised: str


@dataclass
class World:
    """The stack under test and what stands around it; all times are seconds since the epoch.

    ``env`` is for every process of the stack and ``env_of`` for one service alone, over it, by its kind
    (``orchestrator`` for all orchestrators). ``second_listeners`` are by the broker's name; ``website`` is
    the one that leads' companies have, if any. All are filled before the stack is up.
    """

    run_dir: Path
    env: dict[str, str] = field(default_factory=dict)
    env_of: dict[str, dict[str, str]] = field(default_factory=dict)
    second_listeners: dict[str, SecondListener] = field(default_factory=dict)
    website: str = ""
    brokers: int = 1
    orchestrators: int = 1
    running: Stack | None = None

    @property
    def stack(self) -> Stack:
        """The stack, once it is up."""
        assert self.running is not None, "the stack is not up yet"
        return self.running

    @property
    def mails(self) -> Path:
        """What the SMTP server took, written before it answers: a JSON line per mail whose DATA came whole.

        ``{"at", "message_id" (without angle brackets), "recipient", "fault": null or the fault's name}``;
        ``fault`` says that the sender was not told (``smtp-drops-after-data``).
        """
        return self.run_dir / "mails.jsonl"

    @property
    def model_calls(self) -> Path:
        """``MODEL_CALL_LOG``: what the model port of each process wrote down."""
        return self.run_dir / "model_calls.jsonl"

    @property
    def model_answers(self) -> Path:
        """What the model server was asked and answered: a JSON line per request.

        ``{"at", "fault": null or its name, "agent": the agent that it named to the router, or null}``.
        """
        return self.run_dir / "model_answers.jsonl"

    @property
    def forger(self) -> Path:
        """Whatever came to an address that a forged registration named: a JSON line per request.

        ``{"at", "request": its first line, "token": whether it had one}``.
        """
        return self.run_dir / "forger.jsonl"

    @property
    def restarts(self) -> Path:
        """Which process ended by itself and was started again: a JSON line each, ``{"at", "service"}``."""
        return self.run_dir / "restarts.jsonl"

    def instances(self, service: str) -> list[str]:
        """Return the names of a service's instances that the stack knows now: ``broker``, ``broker_2`` …"""
        return [process.service for process in self.stack.processes if kind_of(process.service) == service]


class Fault(Protocol):
    """One way in which something goes wrong.

    ``inject`` returns when the harm is under way or done, with a sentence that says what was done to whom;
    ``heal`` mends it: afterwards everything is ready again. ``heal`` is called once after each ``inject``,
    also when ``inject`` raised or was cancelled. Several faults may be there at once, each at most once.
    The runner waits between the two, for a time that it chooses (1 to 15 s).
    """

    @property
    def name(self) -> str:
        """Words with hyphens, with the kind first: ``process-killed``, ``smtp-drops-after-data``."""
        ...

    @property
    def kind(self) -> Kind: ...

    async def inject(self, world: World, rng: random.Random) -> str: ...

    async def heal(self, world: World) -> None: ...


class Surroundings(Protocol):
    """What stands around the stack: proxies, the model server, the mail server; and the faults.

    Used as ``async with open_surroundings(world, kinds) as surroundings``: on entering,
    every server listens and ``world.env`` and ``world.env_of`` are filled; on leaving, all are stopped.
    ``ready`` is called once the stack is up.
    """

    @property
    def faults(self) -> Sequence[Fault]: ...

    async def ready(self, world: World) -> None: ...


class OpenSurroundings(Protocol):
    """``injectors.surroundings.open_surroundings``; ``kinds``: those whose faults are wanted.

    The SMTP server always stands. The model server stands only when ``Kind.MODEL`` or ``Kind.PROXY`` is
    wanted: else ``LLM_MODEL=offline``. Proxies stand only for the kinds that need them.
    """

    def __call__(self, world: World, kinds: frozenset[Kind]) -> AbstractAsyncContextManager[Surroundings]: ...


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append one JSON line in one write, so that several processes can share the file."""
    text = json.dumps({"at": time.time(), **line}, ensure_ascii=False)
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
