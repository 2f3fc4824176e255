"""The Confluent wire format: magic byte 0, the schema id in four bytes big-endian, then Avro binary."""

from struct import Struct
from typing import Final

from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason

_HEADER: Final = Struct(">bI")
_MAGIC: Final = 0


def frame(schema_id: SchemaId, body: bytes) -> bytes:
    """Put the five bytes of the frame before ``body``."""
    return _HEADER.pack(_MAGIC, schema_id) + body


def unframe(value: bytes | None) -> tuple[SchemaId, bytes]:
    """Split a record's value into schema id and Avro binary.

    Raises:
        Refusal: ``NOT_FRAMED``, when it is empty, shorter than the frame, or starts with another byte.
    """
    if not value:
        raise Refusal(Reason.NOT_FRAMED, "the value is empty")
    if value[0] != _MAGIC:
        raise Refusal(Reason.NOT_FRAMED, f"the first byte is 0x{value[0]:02x}, expected the magic byte 0x00")
    if len(value) < _HEADER.size:
        detail = f"the value has {len(value)} bytes, fewer than the {_HEADER.size} of the frame"
        raise Refusal(Reason.NOT_FRAMED, detail)
    return SchemaId(_HEADER.unpack_from(value)[1]), value[_HEADER.size :]
