"""Avro under the assumption that bytes and schema texts may be hostile: framing, schema safety, scan, codec.

Nothing here speaks to a network. What can't be accepted is raised as
:class:`signalbox.protocol.errors.Refusal`.
"""

from signalbox.avro.codec import decode, encode
from signalbox.avro.framing import frame, unframe
from signalbox.avro.limits import Limits
from signalbox.avro.schema import ParsedSchema, parse

__all__ = ["Limits", "ParsedSchema", "decode", "encode", "frame", "parse", "unframe"]
