"""Reading announcements: each schema is a question to the registry, and whoever writes can name millions."""

from typing import Final

from signalbox.control.models import AgentRegistered
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox_decide.clock import SYSTEM, Clock

_LARGEST: Final = 64 * 1024
"""An announcement, in bytes."""
_STRANGE_SCHEMAS: Final = 64
_STRANGE_S: Final = 60.0
"""So many schemas that are no announcement's are asked for in this time, in seconds."""
_FRAME: Final = 5
_NO_ANNOUNCEMENT: Final = frozenset({Reason.UNKNOWN_SCHEMA, Reason.NOT_ADMITTED})


class Announcements:
    """Reads announcements of any size and schema, and asks for few schemas that are none's."""

    def __init__(self, control: ControlRecords, clock: Clock = SYSTEM) -> None:
        self._control = control
        self._clock = clock
        self._good: set[bytes] = set()
        self._strange: dict[bytes, float] = {}

    async def read(self, record: Record) -> AgentRegistered:
        """Decode ``record``.

        Raises:
            Refusal: it is no announcement, or too large, or its schema is not asked for now.
            Unavailable: the registry can't be reached.
        """
        value = record.value or b""
        if len(value) > _LARGEST:
            raise Refusal(Reason.TOO_LARGE, f"it has more than {_LARGEST} bytes")
        schema = value[:_FRAME]
        if not self._may_be_asked(schema):
            detail = "its schema is no announcement's; that was asked less than a minute ago"
            raise Refusal(Reason.UNKNOWN_SCHEMA, detail)
        try:
            said = await self._control.read(AgentRegistered, record)
        except Refusal as error:
            if error.reason in _NO_ANNOUNCEMENT:
                self._strange[schema] = self._clock.elapsed()
            raise
        self._good.add(schema)
        return said

    def _may_be_asked(self, schema: bytes) -> bool:
        if schema in self._good:
            return True
        oldest = self._clock.elapsed() - _STRANGE_S
        while self._strange and next(iter(self._strange.values())) < oldest:
            del self._strange[next(iter(self._strange))]
        return schema not in self._strange and len(self._strange) < _STRANGE_SCHEMAS
