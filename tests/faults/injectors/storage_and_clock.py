"""A full disk under an agent's store, and clocks that jump: both through the preloaded library."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fault import AGENTS, Fault, Kind, World
from injectors.evidence_of_harm import Harm, note_struck
from injectors.preload import Preload
from local_stack.services import APPLICATIONS, ORCHESTRATOR

_MOST_ORCHESTRATORS: Final = 9
# Brokers refuse records from more than an hour ahead; less is what a clock that is set right does.
_JUMPS_S: Final = (-1800, -90, 90, 1800)


@dataclass
class DiskFull:
    """Each write below one agent's folder is refused: no space is left on the device."""

    preload: Preload
    name: str = "storage-disk-full"
    kind: Kind = Kind.STORAGE_AND_CLOCK
    _harm: Harm | None = None

    async def inject(self, world: World, rng: random.Random) -> str:
        victim = rng.choice(AGENTS)
        folder = Path(world.stack.env["DATA_DIR"]) / victim
        control = self.preload.control(victim)
        self._harm = Harm(self.name, lambda: control.refused)
        control.fill_disk(folder)
        return f"{self.name}: of {victim}{await self._harm.begins()}"

    async def heal(self, world: World) -> None:
        for agent in AGENTS:
            self.preload.control(agent).free_disk()
        if self._harm is not None:
            self._harm.note(world)
            self._harm = None


@dataclass(frozen=True)
class ClockJump:
    """The wall clock of one process jumps, and jumps back when it is healed."""

    preload: Preload
    name: str = "clock-jumps"
    kind: Kind = Kind.STORAGE_AND_CLOCK

    async def inject(self, world: World, rng: random.Random) -> str:
        victim = rng.choice(controlled())
        jump = rng.choice(_JUMPS_S)
        self.preload.control(victim).shift_clock(jump)
        note_struck(world, self.name, 1)
        return f"{self.name}: of {victim} by {jump:+d} s"

    async def heal(self, world: World) -> None:
        for service in controlled():
            self.preload.control(service).shift_clock(0)


def controlled() -> list[str]:
    """Return the processes that a fault may strike: the first of each kind but broker and registry."""
    return [service.name for service in APPLICATIONS]


def prepare(preload: Preload, world: World) -> None:
    """Let each application load the library, orchestrators that are added later, too."""
    for service in APPLICATIONS:
        preload.control(service.name)
        world.env_of.setdefault(service.kind, {}).update(preload.environment)
    for number in range(2, _MOST_ORCHESTRATORS + 1):
        preload.control(f"{ORCHESTRATOR}_{number}")


def storage_and_clock_faults(preload: Preload) -> list[Fault]:
    return [DiskFull(preload), ClockJump(preload)]
