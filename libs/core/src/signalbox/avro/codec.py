"""Avro binary to datum and back, strictly: scan first, then fastavro, whose errors end at this border."""

from collections.abc import Mapping
from decimal import DecimalException
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, cast

import fastavro
from fastavro.read import SchemaResolutionError

from signalbox.avro.form import reader_form, writer_form
from signalbox.avro.framing import frame
from signalbox.avro.limits import Limits
from signalbox.avro.resolution import Mismatch, mismatches
from signalbox.avro.scan import scan
from signalbox.avro.schema import ParsedSchema
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason

_LIMITS: Final = Limits()
_FOREIGN: Final = (ValueError, TypeError, LookupError, EOFError, OverflowError, DecimalException)
"""What fastavro raises on data that does not fit; UnicodeError and JSON errors are ValueErrors."""


def decode(
    body: bytes, writer: ParsedSchema, reader: ParsedSchema | None = None, limits: Limits = _LIMITS
) -> dict[str, Any]:
    """Decode ``body``, written by ``writer``, as a record of ``reader`` (or of ``writer`` itself).

    Raises:
        Refusal: ``TOO_LARGE`` or ``MALFORMED``, as :func:`signalbox.avro.scan.scan` says; ``INCOMPATIBLE``,
            when ``reader`` can't read what ``writer`` may write.
    """
    scan(body, writer, limits)
    require_readable(writer, reader or writer)
    return decode_scanned(body, writer, reader or writer)


def require_readable(writer: ParsedSchema, reader: ParsedSchema) -> None:
    """Check, once per pair, that ``reader`` reads every datum of ``writer``. Raises Refusal INCOMPATIBLE."""
    found = _mismatches(writer, reader)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Refusal(Reason.INCOMPATIBLE, f"{found[0].detail}{more}", found[0].path)


@lru_cache(maxsize=4096)
def _mismatches(writer: ParsedSchema, reader: ParsedSchema) -> tuple[Mismatch, ...]:
    return () if writer is reader else mismatches(writer, reader)


def decode_scanned(body: bytes, writer: ParsedSchema, reader: ParsedSchema) -> dict[str, Any]:
    """Decode a body that :func:`scan` and :func:`require_readable` let pass; only data can refuse it now."""
    source = BytesIO(body)
    read_as = None if writer is reader else reader_form(reader)
    try:
        datum = cast(dict[str, Any], fastavro.schemaless_reader(source, writer_form(writer), read_as))
    except SchemaResolutionError as error:
        raise Refusal(Reason.INCOMPATIBLE, f"the contract can't read it: {error}") from error
    except UnicodeDecodeError as error:
        # The scan has read all strings: these are bytes that the contract reads as a string.
        raise Refusal(
            Reason.INCOMPATIBLE, "bytes that the contract reads as a string are no UTF-8"
        ) from error
    except _FOREIGN as error:
        raise Refusal(Reason.MALFORMED, f"the bytes do not decode: {error}") from error
    if source.tell() != len(body):
        raise Refusal(Reason.MALFORMED, f"{len(body) - source.tell()} bytes are left over after the datum")
    return datum


def encode(
    schema_id: SchemaId, schema: ParsedSchema, datum: Mapping[str, Any], limits: Limits = _LIMITS
) -> bytes:
    """Encode ``datum`` and frame it; what :func:`decode` would refuse is never returned.

    A field that is absent gets its default; a field that the schema does not know is refused.

    Raises:
        Refusal: ``MALFORMED``, when the datum is not of the schema; ``TOO_LARGE``, when it is over a limit.
    """
    sink = BytesIO()
    form = reader_form(schema)
    unknown = datum.keys() - {field["name"] for field in form["fields"]}
    if unknown:
        raise Refusal(Reason.MALFORMED, f"{schema.name} has no such field", min(unknown))
    try:
        fastavro.schemaless_writer(sink, form, dict(datum))
    except (*_FOREIGN, AttributeError) as error:
        raise Refusal(Reason.MALFORMED, f"the datum is not of {schema.name}: {error}") from error
    body = sink.getvalue()
    scan(body, schema, limits)
    return frame(schema_id, body)
