"""Leads through the composed system: all come to their end, also while one container is replaced."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from compose_stack import ComposeStack
from compose_stack.engine import docker
from lead_flow import flowing
from local_stack import StackError
from local_stack.state import pid_of, probe
from malformed_examples import load
from operating import Operator, lead
from signalbox.kafka import Producer
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import dead_letter_topic
from signalbox.protocol.records import Draft

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "malformed"
_PATIENCE_S = 300.0
"""A machine that builds images may be busy."""


def container_ids(stack: ComposeStack) -> dict[str, str]:
    return {one.service: docker("inspect", "--format", "{{.Id}}", one.container) for one in stack.processes}


async def assert_each_is_scheduled_once(operator: Operator, lead_ids: list[str]) -> None:
    states = await operator.settled(lead_ids, deadline_s=_PATIENCE_S)
    assert {lead_id: state for lead_id, state in states.items() if state != "scheduled"} == {}
    terminal = await operator.terminal_records_of(lead_ids)
    assert {lead_id: len(found) for lead_id, found in terminal.items()} == dict.fromkeys(lead_ids, 1)


async def test_leads_come_through_once_and_the_figures_add_up(operator: Operator) -> None:
    before = await operator.stats()
    lead_ids = await operator.post_many(20, first=100)
    await assert_each_is_scheduled_once(operator, lead_ids)
    after = await operator.stats()
    assert after["captured"] - before["captured"] == 20
    ends = ("in_flight", "dead_lettered", "scheduled", "ended")
    assert sum(after[name] for name in ends) == after["captured"]


async def test_a_malformed_message_is_dead_lettered_with_its_bytes_and_no_model_sees_it(
    operator: Operator, producer: Producer
) -> None:
    [example] = [one for one in load(EXAMPLES) if one.name == "malformed_trailing_bytes"]
    before = await operator.stats()
    draft = await example.draft(operator.stack.addresses["registry"])
    marked = Draft(draft.topic, draft.key, draft.value, (*draft.headers, ("test_example", b"composed")))
    await producer.publish(marked)

    dead_letter = await dead_letter_of(operator, b"composed", draft.topic)
    assert (dead_letter.reason, dead_letter.model_calls) == (example.expected.reason, 0)
    assert dead_letter.record.value == draft.value
    after = await operator.stats()
    assert after["rejected_before_llm"] == before["rejected_before_llm"] + 1


async def dead_letter_of(operator: Operator, mark: bytes, topic: str) -> DeadLetter:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            for record in await operator.records(dead_letter_topic(topic)):
                if record.header("test_example") == mark:
                    return DeadLetter.of(record)
            await asyncio.sleep(0.5)


async def test_redeploying_one_service_while_leads_flow_replaces_its_container_alone_and_loses_none(
    operator: Operator, composed: ComposeStack
) -> None:
    before = container_ids(composed)
    async with flowing(operator) as flow:
        await asyncio.to_thread(composed.redeploy, "lead_scoring")
        await flow.stop()
    states = await operator.settled(list(flow.expected), deadline_s=_PATIENCE_S)
    assert states == flow.expected
    await assert_each_is_scheduled_once(
        operator, [one for one, state in states.items() if state == "scheduled"]
    )

    after = container_ids(composed)
    assert {name for name in after if after[name] != before[name]} == {"lead_scoring"}


async def test_a_process_that_is_killed_comes_back_by_itself_and_no_lead_is_lost(
    operator: Operator, composed: ComposeStack
) -> None:
    process = composed.process("orchestrator")
    killed = pid_of(process)
    assert killed is not None
    lead_ids = await operator.post_many(5, first=300)
    os.kill(killed, signal.SIGKILL)
    lead_ids += await operator.post_many(5, first=310)
    await assert_each_is_scheduled_once(operator, lead_ids)
    assert pid_of(process) not in {None, killed}


async def test_the_broker_and_the_registry_keep_what_they_have_when_they_are_replaced(
    operator: Operator, composed: ComposeStack
) -> None:
    lead_ids = await operator.post_many(3, first=400)
    await operator.settled(lead_ids, deadline_s=_PATIENCE_S)
    for name in ("broker", "registry"):
        await asyncio.to_thread(composed.redeploy, name)
    more = await operator.post(**lead(450))
    assert await operator.settled([more], deadline_s=_PATIENCE_S) == {more: "scheduled"}
    await assert_each_is_scheduled_once(operator, [*lead_ids, more])


async def test_an_image_that_does_not_start_is_told_and_rolled_back(
    composed: ComposeStack, tmp_path: Path
) -> None:
    good = composed.image("send_email")
    (tmp_path / "Dockerfile").write_text(
        f'FROM {good}\nCMD ["python", "-c", "raise SystemExit(\'broken\')"]\n'
    )
    docker("build", "--quiet", "--tag=signalbox/send-email:broken", str(tmp_path))
    running = docker("inspect", "--format", "{{.Image}}", composed.process("send_email").container)

    with pytest.raises(StackError, match="broken"):
        await asyncio.to_thread(composed.deploy, "send_email", "signalbox/send-email:broken")
    await asyncio.to_thread(composed.rollback, "send_email")

    assert docker("inspect", "--format", "{{.Image}}", composed.process("send_email").container) == running
    assert probe(composed.process("send_email")).ready
