"""A workload, faults, and a checker that looks at everything afterwards: see docs/fault-tests.md."""

import argparse
import asyncio
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from collecting import collected, lines
from fault import Fault, Kind, OpenSurroundings, World
from fault_stack import FaultStack
from history import History, told_by
from injectors.surroundings import open_surroundings
from local_stack.progress import Progress
from memory_use import MemoryUse
from planning import plan
from quiet import Quiet
from striking import AT_ONCE, NotHealed, Striking
from verdict import Verdict, harmless_kinds, judged
from workload import Workload, bootstrap_servers, ingredients

ROOT: Final = Path(__file__).resolve().parents[2]
LEADS: Final = 2_000
SURROUNDINGS: Final[OpenSurroundings] = open_surroundings

SETTINGS: Final = {
    "CONTRACT_REFRESH_S": "2",
    "AGENT_TIMEOUT_S": "10",
    "MAIL_POLL_S": "0.2",
    "MAIL_FIRST_RETRY_S": "0.5",
    "MAIL_RECIPIENT_DOMAIN_PER_DAY": "1000000",  # all leads are of one domain
}


@dataclass(frozen=True)
class Options:
    """What is asked for. ``faults`` are kinds, beginnings of names, or ``all``.

    Each strikes alone, then several at once in ``rounds`` (None: half as many as there are faults).
    ``short``: one fault of each kind, by the seed, and none combined.
    """

    leads: int
    seed: int
    faults: tuple[str, ...]
    rounds: int | None
    brokers: int
    orchestrators: int
    run_dir: Path
    short: bool = False

    def wants(self, fault: Fault) -> bool:
        """Say whether a fault was asked for: by its name, the beginning of its name, or its kind's number."""
        return any(
            word == "all" or fault.name.startswith(word) or word == str(fault.kind.value)
            for word in self.faults
        )

    @property
    def kinds(self) -> frozenset[Kind]:
        """Return the kinds that may be asked for: what a name's beginning leaves open counts as wanted."""
        numbers = {word for word in self.faults if word.isdecimal()}
        if self.faults and len(numbers) == len(self.faults):
            return frozenset(Kind(int(number)) for number in numbers)
        return frozenset(Kind) if self.faults else frozenset()


class Run:
    """One run, from an empty stack to the verdict."""

    def __init__(self, options: Options, *, quietly: bool = False) -> None:
        self._options = options
        self._world = World(options.run_dir, brokers=options.brokers, orchestrators=options.orchestrators)
        self._history = History(options.run_dir / "history.jsonl")
        self._rng = random.Random(options.seed)
        self._quietly = quietly
        self._began = time.monotonic()
        self._trouble: list[str] = []

    async def verdict(self) -> Verdict:
        """Run it all; what was started is stopped in any case."""
        self._world.run_dir.mkdir(parents=True, exist_ok=True)
        self._history.path.touch()
        self._world.env |= {**SETTINGS, "MODEL_CALL_LOG": str(self._world.model_calls)}
        async with SURROUNDINGS(self._world, self._options.kinds) as surroundings:
            stack = FaultStack(ROOT, self._world, Progress(quiet=True))
            self._world.running = stack
            try:
                self._tell(f"seed {self._options.seed}, {self._options.leads} leads; starting the stack")
                await asyncio.to_thread(stack.up)
                await surroundings.ready(self._world)
                return await self._under_load(stack, self._wanted(surroundings.faults))
            finally:
                await asyncio.to_thread(stack.down)

    def _wanted(self, faults: Sequence[Fault]) -> list[Fault]:
        wanted = [fault for fault in faults if self._options.wants(fault)]
        if not self._options.short:
            return wanted
        by_kind = [[fault for fault in wanted if fault.kind is kind] for kind in Kind]
        return [self._rng.choice(same) for same in by_kind if same]

    async def _under_load(self, stack: FaultStack, faults: Sequence[Fault]) -> Verdict:
        known = replace(await ingredients(stack, ROOT), website=self._world.website)
        planned = plan(self._options.leads, self._rng, f"{self._options.seed}", known)
        workload = Workload(stack, self._history, planned)
        rounds = self._rounds(len(faults))
        self._tell(f"the stack is up; {len(faults)} faults one by one, then {rounds} times several at once")
        memory = MemoryUse(stack)
        watching = asyncio.create_task(memory.watch())
        sending = asyncio.create_task(workload.run())
        await self._struck(faults, rounds, workload)
        await self._all_sent(workload, sending)
        ended = await self._quiet(stack)
        watching.cancel()
        self._tell(f"{ended}; checking")
        evidence = await asyncio.to_thread(collected, self._world, self._history.path, memory.peaks())
        findings = await asyncio.to_thread(judged, evidence)
        return Verdict(
            seed=self._options.seed,
            leads=self._options.leads,
            seconds=time.monotonic() - self._began,
            ended=ended,
            injections=told_by(self._history.path).injections,
            findings=findings,
            trouble=tuple(self._trouble),
            restarts=Counter(one["service"] for one in lines(self._world.restarts)),
        )

    async def _struck(self, faults: Sequence[Fault], rounds: int, workload: Workload) -> None:
        def tell(what: str) -> None:
            self._tell(f"{workload.sent:>5} sent {what}")

        def let_some_go() -> None:
            workload.allow(1 / (1 + len(faults) + rounds * max(AT_ONCE)))

        let_some_go()
        await workload.flowing()
        striking = Striking(self._world, self._history, self._rng, tell, let_some_go)
        try:
            await striking.each_alone(faults)
            await striking.combined(faults, rounds)
        except NotHealed as error:
            self._trouble.append(str(error))
        self._trouble += striking.trouble
        if not self._options.short:
            self._trouble += harmless_kinds(told_by(self._history.path).injections)

    async def _all_sent(self, workload: Workload, sending: asyncio.Task[None]) -> None:
        workload.allow()
        try:
            await sending
        except ExceptionGroup as group:
            self._trouble += [str(error) for error in group.exceptions]
        self._tell(f"{workload.sent:>5} sent; waiting until nothing moves any more")

    async def _quiet(self, stack: FaultStack) -> str:
        captured = sum(one.captured for one in told_by(self._history.path).sendings)
        schedule = Path(stack.env["DATA_DIR"]) / "send_email" / "schedule.db"
        quiet = Quiet(bootstrap_servers(stack), stack.addresses["console"], schedule)
        return await asyncio.to_thread(quiet.wait, captured, self._tell)

    def _rounds(self, faults: int) -> int:
        if self._options.short or not faults:
            return 0
        return faults // 2 if self._options.rounds is None else self._options.rounds

    def _tell(self, what: str) -> None:
        if not self._quietly:
            print(f"{time.monotonic() - self._began:7.1f} {what}", file=sys.stderr, flush=True)


def options_of(arguments: argparse.Namespace, run_dir: Path) -> Options:
    """Turn what the command line says into options."""
    words = tuple(word for word in arguments.faults.split(",") if word and word != "none")
    seed = random.SystemRandom().randrange(2**32) if arguments.seed is None else arguments.seed
    return Options(
        leads=arguments.leads,
        seed=seed,
        faults=words,
        rounds=arguments.rounds,
        brokers=arguments.brokers,
        orchestrators=arguments.orchestrators,
        run_dir=run_dir,
        short=arguments.short,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--leads", type=int, default=int(os.environ.get("FAULT_LEADS") or LEADS))
    parser.add_argument("--seed", type=int, help="repeats the plan and the faults of an earlier run")
    parser.add_argument(
        "--faults", default="all", help="names, beginnings of names, kinds by their number, all, none"
    )
    parser.add_argument("--rounds", type=int, help="how often several faults strike at once")
    parser.add_argument("--brokers", type=int, default=3)
    parser.add_argument("--orchestrators", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="one fault of each kind, none combined")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder, also when it passed")
    return parser


def main() -> int:
    """Run once; 0 when it passed, 130 when it was told to end and has stopped what it started."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    run_dir = Path(tempfile.mkdtemp(prefix="signalbox-faults-"))
    try:
        verdict = asyncio.run(Run(options_of(arguments, run_dir)).verdict())
    except KeyboardInterrupt:
        print(f"interrupted; history, logs and stores are in {run_dir}", file=sys.stderr)
        return 130
    (run_dir / "verdict.json").write_text(json.dumps(verdict.as_json(), indent=1))
    print(json.dumps(verdict.as_json(), indent=1) if arguments.json else verdict.as_text())
    if verdict.passed and not arguments.keep:
        shutil.rmtree(run_dir)
    else:
        print(f"history, logs and stores are in {run_dir}", file=sys.stderr)
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
