"""The short form of `make faults`: one fault of each kind, with few leads."""

import json
import os
import random
from pathlib import Path

import pytest

from run import Options, Run

LEADS = int(os.environ.get("FAULT_LEADS") or 90)


@pytest.mark.real_kafka
async def test_nothing_is_lost_and_nothing_done_twice_with_one_fault_of_each_kind(tmp_path: Path) -> None:
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    options = Options(
        leads=LEADS,
        seed=seed,
        faults=("all",),
        rounds=0,
        brokers=3,
        orchestrators=2,
        run_dir=tmp_path,
        short=True,
    )

    verdict = await Run(options).verdict()

    print(verdict.as_text())
    assert verdict.passed, f"FAULT_SEED={seed}: {json.dumps(verdict.as_json(), indent=1)}"
