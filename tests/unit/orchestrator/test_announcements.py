"""An announcement is read whatever it says, unless it is too large or of a schema that is none's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from announced import Codec
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox_decide.announcements import Announcements


class Set:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        return self.time


class Asked(Codec):
    """Knows the schemas 1 and 2, and counts what it is asked; ``reason`` is why it refuses another one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.reason = 0, Reason.UNKNOWN_SCHEMA

    async def read(self, kind: object, record: Record) -> Any:
        self.asked += 1
        if (record.value or b"")[4] not in {1, 2}:
            raise Refusal(self.reason, "no announcement's")
        return await super().read(kind, Record("agent_registry", 0, 0, b"echo", b"echo"))


class Reading:
    def __init__(self) -> None:
        self.codec, self.clock = Asked(), Set()
        codec: Any = self.codec
        self.announcements = Announcements(codec, self.clock)

    async def reads(self, schema: int, size: int = 10) -> str | None:
        """Return why an announcement of that schema is refused, None when it is read."""
        value = (b"\0" + schema.to_bytes(4, "big")).ljust(size, b"x")
        try:
            await self.announcements.read(Record("agent_registry", 0, 0, b"echo", value))
        except Refusal as refusal:
            return refusal.detail
        return None

    async def is_asked(self, schema: int) -> bool:
        before = self.codec.asked
        await self.reads(schema)
        return self.codec.asked > before


async def test_an_announcement_of_64_kib_is_read_and_a_larger_one_is_not() -> None:
    reading = Reading()
    assert await reading.reads(1, size=64 * 1024) is None
    assert await reading.reads(1, size=64 * 1024 + 1) == "it has more than 65536 bytes"
    assert reading.codec.asked == 1


@pytest.mark.parametrize("reason", [Reason.UNKNOWN_SCHEMA, Reason.NOT_ADMITTED])
async def test_a_schema_that_is_no_announcements_is_asked_for_once_a_minute(reason: Reason) -> None:
    reading = Reading()
    reading.codec.reason = reason
    assert await reading.is_asked(9)
    reading.clock.time += 60
    assert await reading.reads(9) == (
        "its schema is no announcement's; that was asked less than a minute ago"
    )
    assert reading.codec.asked == 1
    reading.clock.time += 0.1
    assert await reading.is_asked(9)


async def test_an_announcement_that_is_wrong_in_another_way_says_nothing_of_its_schema() -> None:
    reading = Reading()
    reading.codec.reason = Reason.MALFORMED
    assert [await reading.is_asked(9) for _ in range(3)] == [True] * 3


async def test_beyond_64_strange_schemas_no_new_one_is_asked_for_until_the_oldest_is_a_minute_old() -> None:
    reading = Reading()
    assert await reading.reads(1) is None
    for schema in range(100, 164):
        reading.clock.time += 0.5
        assert await reading.is_asked(schema)
    assert not await reading.is_asked(2)
    assert await reading.is_asked(1)  # it was an announcement's before
    reading.clock.time += 29
    assert await reading.is_asked(2)
