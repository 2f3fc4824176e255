"""Every malformed example is dead-lettered with its reason and its bytes, and no model ever sees it."""

import asyncio
import json
from pathlib import Path

import pytest

from malformed_examples import MalformedExample, load
from operating import ModelCalls, Operator, lead
from signalbox.kafka import Producer
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import dead_letter_topic
from signalbox.protocol.records import Draft

EXAMPLES = load(Path(__file__).resolve().parents[2] / "examples" / "malformed")


def test_there_is_an_example_for_each_reason_of_the_gate() -> None:
    assert {example.expected.reason.value for example in EXAMPLES} == {
        "TOO_LARGE",
        "NOT_FRAMED",
        "HEADER_INVALID",
        "UNKNOWN_SCHEMA",
        "NOT_ADMITTED",
        "UNSAFE_SCHEMA",
        "MALFORMED",
        "INCOMPATIBLE",
        "RULE_VIOLATED",
    }


async def test_each_malformed_example_is_dead_lettered_and_a_good_lead_right_behind_is_scheduled(
    operator: Operator, producer: Producer, model_calls: ModelCalls
) -> None:
    calls_before = len(model_calls.all())
    before = await operator.stats()
    registry = operator.stack.addresses["registry"]
    sent: dict[str, tuple[MalformedExample, Draft]] = {}
    for example in EXAMPLES:
        draft = await example.draft(registry)
        mark = ("test_example", example.name.encode())
        marked = Draft(draft.topic, draft.key, draft.value, (*draft.headers, mark))
        sent[example.name] = (example, marked)
    await producer.publish(*[draft for _, draft in sent.values()])

    found = await dead_letters_of(operator, set(sent))

    for name, (example, draft) in sent.items():
        dead_letter = found[name]
        assert dead_letter.reason is example.expected.reason, (
            f"{name}: {dead_letter.reason} {dead_letter.detail}"
        )
        assert dead_letter.record.value == draft.value, name
        assert dead_letter.record.key == draft.key, name
        assert dead_letter.original.headers == draft.headers, name
        assert dead_letter.topic == draft.topic, name
        assert dead_letter.model_calls == 0, name
    assert len(model_calls.all()) == calls_before

    lead_id = await operator.post(**lead(900))
    assert await operator.settled([lead_id]) == {lead_id: "scheduled"}
    after = await operator.stats()
    assert after["rejected_before_llm"] - before["rejected_before_llm"] == len(EXAMPLES)


async def test_a_malformed_record_with_the_id_of_a_good_message_does_not_silence_it(
    operator: Operator, producer: Producer
) -> None:
    """A broken copy that comes first, with the same ids, must not count as the decision on the good one."""
    lead_id = await operator.post(**lead(901))
    await operator.settled([lead_id])
    [good] = [
        record
        for record in await operator.records("incoming_leads")
        if (record.key or b"").decode(errors="replace") == lead_id
    ]
    mark = ("test_example", b"broken_copy")
    copy = Draft("agent_messages", good.key, (good.value or b"") + b"\0", (*good.headers, mark))
    await producer.publish(copy)

    dead_letters = await dead_letters_of(operator, {"broken_copy"})

    assert dead_letters["broken_copy"].reason.value == "MALFORMED"


async def dead_letters_of(operator: Operator, names: set[str]) -> dict[str, DeadLetter]:
    """Wait for the dead letters of the marked records."""
    topics = [dead_letter_topic("agent_messages"), dead_letter_topic("incoming_leads")]
    found: dict[str, DeadLetter] = {}
    try:
        async with asyncio.timeout(100):
            while set(found) < names:
                for record in await operator.records(*topics):
                    name = (record.header("test_example") or b"").decode()
                    if name in names:
                        found[name] = DeadLetter.of(record)
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"no dead letter for {json.dumps(sorted(names - set(found)))}")
    return found
