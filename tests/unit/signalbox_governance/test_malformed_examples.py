"""Every file of examples/malformed gets the verdict that it documents, with the real development registry."""

from pathlib import Path

import pytest

from malformed_examples import MalformedExample, load
from memory_registry import sdr_admission
from signalbox.gate import Contracts, Gate, Limits, Rejected
from signalbox.gate.schemas import WriterSchemas
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings

EXAMPLES = load(Path(__file__).resolve().parents[3] / "examples" / "malformed")
GATE_REASONS = set(list(Reason)[:9])


def test_there_is_an_example_for_each_reason_of_the_gate() -> None:
    assert {example.expected.reason for example in EXAMPLES} == GATE_REASONS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_is_refused_as_it_documents(example: MalformedExample, registry_url: str) -> None:
    registry = Registry(RegistrySettings(url=registry_url))
    gate = Gate(
        registry,
        Contracts(registry),
        sdr_admission(),
        schemas=WriterSchemas(registry, Limits(), ask_again_s=0),
    )
    draft = await example.draft(registry_url)
    verdict = await gate.check(Record(draft.topic, 0, 0, draft.key, draft.value, draft.headers))
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.field) == (example.expected.reason, example.expected.field), (
        verdict.detail
    )
