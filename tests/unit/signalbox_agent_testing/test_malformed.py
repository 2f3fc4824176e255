"""Every file of ``examples/malformed`` is dead-lettered in memory as it says; no model is asked."""

from pathlib import Path
from typing import Any

import pytest

from malformed_examples import MalformedExample, load
from memory_registry import SDR
from signalbox.protocol.names import Subject
from signalbox_agent import bound
from signalbox_agent.testing import InMemorySignalbox, MemoryRegistry
from signalbox_contracts import schema_text, sdr

EXAMPLES = load(Path(__file__).resolve().parents[3] / "examples" / "malformed")
CONTRACTS = [bound(getattr(sdr, name.removeprefix("sdr.")), schema_text(name)) for name in SDR]


class Api:
    """The calls by which an example registers what it needs; compatibility is not this registry's matter."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry

    async def newest(self, subject: str) -> Any:
        last = (await self._registry.versions(Subject(subject)))[-1]
        return last.schema_id, last.schema_text

    async def register(self, subject: str, text: str) -> Any:
        schema_id = self._registry.register(subject, text)
        usages = await self._registry.usages(schema_id)
        return schema_id, next(version for used, version in usages if used == subject)

    async def soft_delete(self, subject: str, version: int) -> None:
        self._registry.soft_delete(subject, version)

    async def level(self, _: str) -> None:
        return

    async def set_level(self, *_: object) -> None:
        return


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_is_dead_lettered_as_it_documents(example: MalformedExample) -> None:
    async with InMemorySignalbox(contracts=CONTRACTS) as box:
        api: Any = Api(box.registry)
        draft = await example.draft_by(api)
        sent = await box.send_record(draft.value, draft.headers, key=draft.key, topic=draft.topic)
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.reason, dead_letter.field) == (example.expected.reason, example.expected.field), (
        dead_letter.detail
    )
    assert (dead_letter.original.value, dead_letter.original.headers) == (sent.value, sent.headers)
    assert (box.routes, dead_letter.model_calls) == ([], 0)
