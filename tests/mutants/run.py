"""Change the code in one place at a time, and see whether a test notices.

Each change is a mutant: `<=` for `<`, None for an argument, `or` for `and`. Only the tests that reach the
changed function run, the fastest first, until one fails; a mutant that makes them hang is noticed too. A
mutant that no test notices survives: write a test that does, or judge that the change makes no difference.
What is changed, and what is left alone, says [tool.mutmut] in pyproject.toml. All happens in a copy of the
checkout. The exit status is 0 when 85 % of the mutants are noticed, 1 when fewer are; a sample fails when it
is so far below that its size does not explain it.
"""

import argparse
import contextlib
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

from mutated_copy import Mutant, copy_checkout, made

ENOUGH: Final = 0.85
"""The share of the mutants that the tests have to notice."""
UNLIKELY: Final = 1.645
"""Standard errors: were it enough over all, a sample would be further below in one case of twenty."""
LONGEST_TEST_S: Final = 1.0
"""What takes longer waits for something, and is asked only where no other test reaches a function."""
NOT_RUN: Final = 255
"""The exit status that mutmut gives a mutant whose tests pytest did not find."""
EXAMPLES: Final = """
  make mutants                          all of them
  make mutants only=libs/decide         those below a path
  make mutants sample=200 seed=7        200 by chance, the same for the same seed
"""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, in mutmut's word."""

    mutant: Mutant
    outcome: str

    @property
    def noticed(self) -> bool:
        """Say whether a test failed or hung; what no test reaches, no test notices."""
        return self.outcome not in {"survived", "no tests", "not run"}

    def __str__(self) -> str:
        """Return the place, the name and the change, for a person who judges it."""
        one = self.mutant
        return f"{one.path}:{one.line}: {one.name} ({self.outcome})\n    {one.change}"


def main() -> int:
    """Try the mutants that the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tests", nargs="+", help="what pytest gets: folders, files, and --ignore=… after --")
    parser.add_argument("--only", default="", metavar="PATH", help="the mutants below this path")
    parser.add_argument("--sample", type=int, metavar="N", help="that many of them, by chance")
    parser.add_argument("--seed", type=int, help="the seed of the sample (default: the date)")
    parser.add_argument("--processes", type=int, default=2, help="how many at once (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print every verdict, as JSON")
    given = parser.parse_args()
    config().pytest_add_cli_args_test_selection = given.tests
    seed = int(time.strftime("%Y%m%d")) if given.seed is None else given.seed
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
        stack.enter_context(contextlib.chdir(work))
        # Where test runs share a folder, each removes all but the newest.
        os.environ["PYTEST_DEBUG_TEMPROOT"] = work
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        mutants = [one for one in made(copy_checkout(Path(work))) if one.path.startswith(given.only)]
        print(f"{len(mutants)} mutants")
        if given.sample and given.sample < len(mutants):
            mutants = random.Random(seed).sample(mutants, given.sample)
            print(f"{len(mutants)} of them are tried, with seed {seed}")
        verdicts = list(tried(mutants, max(1, given.processes)))
    return report(verdicts, is_sample=bool(given.sample), as_json=given.json)


def tried(mutants: Sequence[Mutant], processes: int) -> Iterator[Verdict]:
    """Run the tests of each mutant, those with quick tests first, and say how far it is."""
    runner = get_mutant_runner(processes)
    set_mutant_under_test("stats")
    if runner.collect_stats([]):
        sys.exit("the tests fail without any mutant, or there are none")
    set_mutant_under_test("")
    tests = {one.name: _asked(one.name) for one in mutants}
    seconds = {name: sum(state().duration_by_test[test] for test in tests[name]) for name in tests}
    waiting = sorted(mutants, key=lambda one: -seconds[one.name])
    by_name, survived, started = {one.name: one for one in mutants}, 0, time.monotonic()
    runner.startup()
    for number in range(1, len(mutants) + 1):
        while waiting and runner.has_capacity():
            name = waiting.pop().name
            limit = (seconds[name] + config().timeout_constant) * config().timeout_multiplier
            runner.submit(name, tests[name], int(2 * limit) + 1, seconds[name])
        result = runner.wait_for_result()
        verdict = Verdict(by_name[result.mutant_name], status_by_exit_code[result.exit_code])
        survived += not verdict.noticed
        if not verdict.noticed:
            print(verdict, flush=True)
        if number % 20 == 0 or number == len(mutants):
            took = time.monotonic() - started
            print(f"{number} of {len(mutants)} tried, {survived} survived, {took:.0f} s", flush=True)
        yield verdict
    runner.shutdown()


def _asked(mutant_name: str) -> list[str]:
    durations = state().duration_by_test
    tests = state().tests_by_mangled_function_name[mangled_name_from_mutant_name(mutant_name)]
    quick = [one for one in tests if durations[one] <= LONGEST_TEST_S]
    return sorted(quick or tests, key=lambda one: (durations[one], one))


def report(verdicts: Sequence[Verdict], *, is_sample: bool, as_json: bool) -> int:
    """Print the share that was noticed and what survived, and return the exit status."""
    survivors = [one for one in verdicts if not one.noticed]
    survivors.sort(key=lambda one: (one.mutant.path, one.mutant.line, one.mutant.name))
    noticed = len(verdicts) - len(survivors)
    share = noticed / len(verdicts) if verdicts else 1.0
    if as_json:
        tried_ones = [asdict(one) for one in verdicts]
        print(
            json.dumps({"mutants": len(verdicts), "noticed": noticed, "share": share, "verdicts": tried_ones})
        )
    else:
        print(*survivors, sep="\n")
        for folder in sorted({one.mutant.folder for one in verdicts}):
            inside = [one.noticed for one in verdicts if one.mutant.folder == folder]
            print(f"{folder}: {len(inside)} mutants, {sum(inside)} noticed")
        print(f"{len(verdicts)} mutants, {noticed} noticed: {share:.1%}, where {ENOUGH:.0%} are asked for")
    # Of all mutants a sample shows a part: its error is no failure.
    error = UNLIKELY * math.sqrt(share * (1 - share) / len(verdicts)) if is_sample and verdicts else 0.0
    return 0 if share + error >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
