"""Releasing a service while leads flow: a good release stays, one that does not start goes back by itself."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lead_flow import ENGAGED, flowing
from local_stack import Stack
from local_stack.foundation import PYTHON_VARIABLE
from operating import Operator, lead

_T = TypeVar("_T")
_SERVICE = "lead_scoring"
_PARTS = (
    *("Makefile", "constraints.txt", "pyproject.toml", "examples", "contracts", "libs"),
    *(f"services/{_SERVICE}", "tests/conftest.py", "tests/support", f"tests/unit/{_SERVICE}"),
)


@dataclass(frozen=True)
class WorkingCopy:
    """The files of one service in a folder of their own, from which it is released."""

    folder: Path
    stack: Stack

    async def release(self) -> tuple[int, dict[str, Any]]:
        """Release the service; return the exit status and the report."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local_stack", "release", _SERVICE, "--json"),
            cwd=self.folder,
            env=self.stack.env,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:  # the test is over before it
                process.terminate()
        assert process.returncode is not None
        return process.returncode, json.loads(output)

    def write(self, file: str, text: str) -> None:
        path = self.folder / "services" / _SERVICE / "src" / _SERVICE / file
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def copy(root: Path, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingCopy]:
    folder = tmp_path_factory.mktemp("working-copy")
    for part in _PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (root / part).is_dir():
            shutil.copytree(root / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / part, folder / part)
    before = stack.process(_SERVICE).environment
    yield WorkingCopy(folder, stack)
    # The tests after these find the stack as it was: with the checkout's code.
    stack.redeploy(
        _SERVICE, {name: before.get(name, "") for name in (PYTHON_VARIABLE, "CATALOG", "PYTHONPATH")}
    )


async def while_leads_flow(operator: Operator, first: int, doing: Awaitable[_T]) -> tuple[_T, list[str]]:
    """Let leads flow until it is done; return its result and the leads, one of them posted after it."""
    async with flowing(operator, first=first, kinds=[(ENGAGED, "scheduled")]) as flow:
        result = await doing
    lead_ids = list(flow.expected)
    return result, [*lead_ids, await operator.post(**lead(first + len(lead_ids)))]


async def assert_each_is_scheduled_once(operator: Operator, lead_ids: list[str]) -> None:
    states = await operator.settled(lead_ids, deadline_s=120)
    assert set(states.values()) == {"scheduled"}
    terminal = await operator.terminal_records_of(lead_ids)
    assert {lead_id: len(messages) for lead_id, messages in terminal.items() if len(messages) != 1} == {}


def runs_from(stack: Stack) -> str:
    """Return the folder of the Python that really runs the service."""
    link = Path(f"/proc/{stack.process(_SERVICE).pid}/cmdline")
    return link.read_bytes().split(b"\0")[0].decode() if link.exists() else ""


async def test_a_release_goes_through_while_leads_flow_and_later_edits_do_not_change_it(
    operator: Operator, copy: WorkingCopy
) -> None:
    (status, report), lead_ids = await while_leads_flow(operator, 60_000, copy.release())
    assert (status, report["result"]) == (0, "released"), report["steps"][-1]["detail"]
    assert [step["name"] for step in report["steps"]] == ["test", "can-i-deploy", "build", "deploy"]
    released = copy.stack.run_dir / "releases" / _SERVICE / report["version"]
    about = json.loads((released / "release.json").read_text())
    assert about["contracts"]["writes"]["sdr.LeadScored"] >= 1
    if os.name == "posix" and Path("/proc").exists():
        assert runs_from(copy.stack) == str(released / "bin" / "python")
    await assert_each_is_scheduled_once(operator, lead_ids)

    original = (copy.folder / f"services/{_SERVICE}/src/{_SERVICE}/handler.py").read_text()
    copy.write("handler.py", "an edit that is not even Python")
    try:
        await asyncio.to_thread(copy.stack.redeploy, _SERVICE)
        await assert_each_is_scheduled_once(operator, await operator.post_many(3, first=60_900))
    finally:
        copy.write("handler.py", original)


async def test_a_release_that_does_not_start_is_rolled_back_and_no_lead_is_lost(
    operator: Operator, copy: WorkingCopy
) -> None:
    before = copy.stack.process(_SERVICE).environment.get(PYTHON_VARIABLE, "")
    copy.write("__main__.py", 'raise SystemExit("a mistake that no unit test sees")\n')
    (status, report), lead_ids = await while_leads_flow(operator, 61_000, copy.release())
    assert (status, report["result"]) == (3, "rolled_back"), report["steps"][-1]["detail"]
    steps = {step["name"]: step for step in report["steps"]}
    assert not steps["deploy"]["done"]
    assert "a mistake that no unit test sees" in steps["deploy"]["detail"]
    assert steps["roll back"]["done"]
    assert copy.stack.process(_SERVICE).environment.get(PYTHON_VARIABLE, "") == before
    await assert_each_is_scheduled_once(operator, lead_ids)


async def test_a_service_whose_tests_fail_is_not_released(operator: Operator, copy: WorkingCopy) -> None:
    pid = copy.stack.process(_SERVICE).pid
    broken = copy.folder / "tests" / "unit" / _SERVICE / "test_broken.py"
    broken.write_text("def test_that_fails():\n    assert 1 == 2\n")
    try:
        status, report = await copy.release()
    finally:
        broken.unlink()
    assert (status, report["result"]) == (1, "refused")
    assert [step["name"] for step in report["steps"]] == ["test"]
    assert copy.stack.process(_SERVICE).pid == pid
