"""A sixth agent in a process of its own, on a real broker and a real registry."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from local_stack import Stack
from local_stack.ports import free_ports
from signing import by_keys_in

PROGRAM = """
import asyncio, os, sys
from signalbox_agent import Agent, AgentDefinition, bound, serve
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import LeadProfiled, LeadScored

async def score(message, work):
    await asyncio.sleep(float(os.environ.get("SLOWLY", "0")))
    lead = message.record.lead
    completion = await work.model.complete(
        task="score", instructions="Score.", prompt=message.record.report.summary, output_type=LeadScored,
        stand_in=lambda: {
            "lead": lead, "score": 70, "next_step": "NURTURE", "talking_points": [], "rationale": "r"
        },
        check=work.violation,
    )
    return [completion.output]

serve(Agent(
    definition=AgentDefinition.model_validate({
        "id": "second_opinion", "name": "Second Opinion", "description": "Scores leads once more.",
        "input": ["sdr.LeadProfiled"], "output": ["sdr.LeadScored"],
    }),
    takes=[bound(LeadProfiled, schema_text("sdr.LeadProfiled"))],
    gives=[bound(LeadScored, schema_text("sdr.LeadScored"))],
    handle=score,
))
"""


@dataclass
class Process:
    """The agent's process. ``url`` is its address."""

    process: "subprocess.Popen[bytes]"
    url: str
    folder: Path

    @property
    def auth(self) -> httpx2.Auth:
        """Sign requests as the orchestrator of this machine does."""
        return by_keys_in(self.folder / "keys", "second_opinion")

    def until_ready(self, deadline_s: float = 30) -> None:
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if httpx2.get(f"{self.url}/readyz").is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready; its log:\n{(self.folder / 'log').read_text()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Starter:
    """Starts the agent, and ends what is left of it after the test."""

    def __init__(self, environment: dict[str, str], folder: Path, afterwards: ExitStack) -> None:
        self._environment = environment
        self._folder = folder
        self._afterwards = afterwards

    def start(self, **more: str) -> Process:
        port = free_ports(["second_opinion"])["second_opinion"]
        program = self._folder / "second_opinion.py"
        program.write_text(PROGRAM)
        environment = {
            **os.environ,
            **self._environment,
            "SECOND_OPINION_PORT": str(port),
            "DATA_DIR": str(self._folder / "data"),
            "AGENT_KEYS_DIR": str(self._folder / "keys"),
            "MODEL_CALL_LOG": str(self._folder / "calls.jsonl"),
            "LLM_MODEL": "offline",
            **more,
        }
        log = self._afterwards.enter_context((self._folder / "log").open("ab"))
        command = [sys.executable, str(program)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._afterwards.callback(process.wait)
        self._afterwards.callback(process.kill)
        return Process(process, f"http://127.0.0.1:{port}", self._folder)


@pytest.fixture
def agents(governed: Stack, tmp_path: Path) -> Iterator[Starter]:
    with ExitStack() as afterwards:
        yield Starter(dict(governed.env), tmp_path, afterwards)
