"""An agent is killed with one message at each step: each comes again, and the effect is the same.

Received → handled → stored → published → acknowledged → answered. What holds a message at its step is
outside of the agent: its handler, a lock in the database, the way to the broker and back. Nothing is between
the acknowledgement and the answer: there the process kills itself.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import sqlalchemy as sql

from agent_processes import (
    AgentProcess,
    AgentProcesses,
    Posted,
    a_lead,
    messages_by_lead,
    posted,
    rows,
    schema_ids,
    until,
    writes_held,
)
from broker_door import BrokerDoor
from local_stack import Stack
from postgres_server import drop_schema, text_of, with_own_schema
from signalbox.protocol.records import Record

PROFILED: Final = "sdr.LeadProfiled"
STEPS: Final = ("received", "handled", "stored", "published", "acknowledged")
ANSWER: Final = "signalbox_agent.routes:_content"
"""What the agent calls next when the broker has acknowledged the answers."""


@dataclass
class Scene:
    """One agent that was killed with a message at each of ``STEPS``, and what came of it."""

    agents: AgentProcesses
    governed: Stack
    door: BrokerDoor
    store: str
    support: Path
    kind: str
    messages: dict[str, Posted] = field(default_factory=dict)
    stored_at_the_kill: dict[str, bytes] = field(default_factory=dict)
    published_at_the_kill: dict[str, int] = field(default_factory=dict)
    notes_at_the_kill: Counter[str] = field(default_factory=Counter)
    answers: dict[str, httpx2.Response] = field(default_factory=dict)
    topic: dict[str, list[Record]] = field(default_factory=dict)

    def lead(self, step: str) -> str:
        return f"{self.kind}-{step}"

    def notes(self) -> Counter[str]:
        path = self.agents.folder / f"notes-{self.kind}"
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def published(self) -> dict[str, list[Record]]:
        found = messages_by_lead(self.governed.env)
        return {step: found[self.lead(step)] for step in STEPS}

    def stored(self) -> dict[str, bytes]:
        found = rows(self.store, "SELECT input_id, value FROM workflow_answers")
        ids = {self.messages[step].headers["ce-id"]: step for step in STEPS}
        return {ids[input_id]: bytes(value) for input_id, value in found}

    def start(self, *command: str) -> AgentProcess:
        settings = {
            "STATE_STORE_URL": self.store,
            "NOTES": str(self.agents.folder / f"notes-{self.kind}"),
            "HOLD": str(self.agents.folder),
        }
        program = str(self.support / "careful_agent.py")
        return self.agents.start("careful", *command, program, **settings).until_ready()

    def die_before_the_answer(self) -> None:
        agent = self.start(str(self.support / "dies_when_calling.py"), ANSWER)
        with pytest.raises(httpx2.TransportError):
            agent.take(self.messages["acknowledged"])
        assert agent.child.wait(30) == -9

    def die_at_all_other_steps(self) -> None:
        agent = self.start()
        came = self.door.hold_answer(self.lead("published").encode())
        self.give(agent, "published")
        until(came.is_set, "the answer is on its way to the broker")
        until(lambda: self.published()["published"], "the broker has the answer")

        came = self.door.hold_request(self.lead("stored").encode())
        self.give(agent, "stored")
        until(came.is_set, "another answer is on its way to the broker")

        hold = self.agents.folder / self.lead("received")
        hold.touch()
        self.give(agent, "received")
        until(lambda: self.notes()[f"began {self.lead('received')}"], "the handler has begun")

        with writes_held(self.store, "workflow_answers"):
            self.give(agent, "handled")
            until(lambda: self.notes()[f"ended {self.lead('handled')}"], "the handler has ended")
            agent.kill()
        self.door.hold_nothing()
        hold.unlink()

    def give(self, agent: AgentProcess, step: str) -> None:
        self.agents.give(agent, self.messages[step])

    def play(self) -> None:
        schema_id = schema_ids(self.governed.env, [PROFILED])[PROFILED]
        for step in STEPS:
            lead_id = self.lead(step)
            self.messages[step] = posted(schema_id, PROFILED, lead_id, profiled(lead_id))
        self.die_before_the_answer()
        self.die_at_all_other_steps()
        self.stored_at_the_kill = self.stored()
        self.published_at_the_kill = {step: len(records) for step, records in self.published().items()}
        self.notes_at_the_kill = self.notes()
        agent = self.start()
        self.answers = {step: agent.take(message) for step, message in self.messages.items()}
        agent.kill()
        self.topic = self.published()


def profiled(lead_id: str) -> dict[str, Any]:
    report = {"summary": "They compute.", "pain_points": [], "buying_signals": [], "sources": []}
    return {"lead": a_lead(lead_id), "report": report}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(
    request: pytest.FixtureRequest, agents: AgentProcesses, governed: Stack, door: BrokerDoor, root: Path
) -> Iterator[Scene]:
    with ExitStack() as afterwards:
        store = f"sqlite:///{agents.folder / 'state.db'}"
        if request.param == "postgresql":
            own: sql.URL = with_own_schema(request.getfixturevalue("postgres_url"))
            afterwards.callback(drop_schema, own)
            store = text_of(own)
        made = Scene(agents, governed, door, store, root / "tests" / "support", request.param)
        made.play()
        yield made


def test_the_kill_came_exactly_between_the_steps(scene: Scene) -> None:
    ended = {step for step in STEPS if scene.notes_at_the_kill[f"ended {scene.lead(step)}"]}
    published = {step for step, count in scene.published_at_the_kill.items() if count}
    assert ended == {"handled", "stored", "published", "acknowledged"}
    assert set(scene.stored_at_the_kill) == {"stored", "published", "acknowledged"}
    assert published == {"published", "acknowledged"}


def test_every_message_that_comes_again_is_answered(scene: Scene) -> None:
    assert {step: answer.status_code for step, answer in scene.answers.items()} == dict.fromkeys(STEPS, 200)


@pytest.mark.parametrize("step", ["received", "handled"])
def test_what_nobody_has_seen_is_worked_on_again_and_published_once(scene: Scene, step: str) -> None:
    assert scene.notes()[f"began {scene.lead(step)}"] == 2
    assert len(scene.topic[step]) == 1


@pytest.mark.parametrize("step", ["stored", "published", "acknowledged"])
def test_what_was_stored_is_not_worked_on_again_and_published_with_the_same_bytes(
    scene: Scene, step: str
) -> None:
    published = scene.topic[step]
    assert scene.notes()[f"began {scene.lead(step)}"] == 1
    assert len(published) == 1 + scene.published_at_the_kill[step]
    assert {record.value for record in published} == {scene.stored_at_the_kill[step]}
    assert len({record.headers for record in published}) == 1


def test_each_message_has_one_answer_in_the_store_and_one_id_on_the_topic(scene: Scene) -> None:
    assert len(rows(scene.store, "SELECT id FROM workflow_answers")) == len(STEPS)
    for step in STEPS:
        ids = {record.header("ce_id") for record in scene.topic[step]}
        assert ids == {scene.answers[step].json()["answers"][0]["id"].encode()}
