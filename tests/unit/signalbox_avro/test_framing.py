import pytest

from signalbox.avro import frame, unframe
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason


def test_a_frame_is_a_zero_byte_and_the_id_in_four_bytes() -> None:
    assert frame(SchemaId(258), b"xy") == b"\0\0\0\1\2xy"
    assert unframe(b"\0\0\0\1\2xy") == (258, b"xy")


def test_the_largest_id_goes_through() -> None:
    assert unframe(frame(SchemaId(2**32 - 1), b"")) == (2**32 - 1, b"")


@pytest.mark.parametrize("value", [None, b"", b"\0", b"\0\0\0\0", b"\1\0\0\0\1x", b'{"a": 1}'])
def test_what_has_no_frame_is_refused(value: bytes | None) -> None:
    with pytest.raises(Refusal) as caught:
        unframe(value)
    assert caught.value.reason is Reason.NOT_FRAMED
