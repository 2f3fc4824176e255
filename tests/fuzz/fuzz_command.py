"""What the commands of all fuzzers share: options, seed, and an exit status that tells the truth."""

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar


class Judged(Protocol):
    """What a run found."""

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        ...


T = TypeVar("T", bound=Judged)


def run(
    doc: str | None,
    *,
    count: int,
    what: str,
    fuzz: Callable[[int, int], T],
    report: Callable[[T, int, float], None],
) -> int:
    """Fuzz with the count and seed of the command line; ``count`` of ``what`` by default.

    ``report`` gets the seed and the seconds that it took. Returns the exit status.
    """
    arguments = argparse.ArgumentParser(description=doc)
    arguments.add_argument("--count", type=int, default=count, help=f"{what} (default {count:,})")
    arguments.add_argument("--seed", type=int, help="the seed of a run to repeat")
    given = arguments.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    started = time.monotonic()
    tally = fuzz(given.count, seed)
    report(tally, seed, time.monotonic() - started)
    return 1 if tally.failed else 0


def show(findings: Mapping[str, Sequence[str]], most: int = 5) -> None:
    """Print how many there are of each kind, and the first ``most`` of them."""
    for what, found in findings.items():
        print(f"  {what}: {len(found)}")
        for one in found[:most]:
            print(f"    {one}")
