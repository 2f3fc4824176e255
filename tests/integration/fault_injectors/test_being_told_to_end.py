"""A fault run that is told to end stops what it started."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local_stack.processes import marked


@pytest.mark.real_kafka
async def test_a_run_that_is_told_to_end_leaves_no_process(root: Path, tmp_path: Path) -> None:
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        "tests/faults/run.py",
        *("--leads", "5", "--faults", "none", "--seed", "1"),
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert run.stderr is not None
    async with asyncio.timeout(400):
        while b"starting the stack" not in (line := await run.stderr.readline()):
            assert line, "it ended by itself"
        (folder,) = tmp_path.glob("signalbox-faults-*")
        while not list(marked(folder / "stack")):
            await asyncio.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        _, said = await run.communicate()
    assert run.returncode == 130, said
    assert list(marked(folder / "stack")) == []
