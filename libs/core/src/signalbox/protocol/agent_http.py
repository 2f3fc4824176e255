"""A message over HTTP: CloudEvents binary mode, as the dispatcher writes it and an agent reads it.

Source: CloudEvents 1.0.2, *HTTP Protocol Binding* section 3.1.3.2 (percent-encoding of header values),
and the *Partitioning* extension (``partitionkey``), which carries the lead id.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from signalbox.protocol.attributes import KNOWN
from signalbox.protocol.envelope import CONTENT_TYPE, Envelope, text
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE, http_name
from signalbox.protocol.names import LeadId
from signalbox.protocol.reasons import Reason

PARTITION_KEY: Final = "ce-partitionkey"
_ESCAPED: Final = re.compile(r"""[^!#$&-~]""")
"""Space, the double quote, the percent sign, and all that is not printable ASCII."""
_INFORMATIVE: Final = frozenset({http_name(CE.CAUSATIONID)})
_READ: Final = frozenset(http_name(name) for name in KNOWN if name.startswith("ce_")) | {PARTITION_KEY}
_REQUIRED: Final = (*map(http_name, (CE.ID, CE.SOURCE, CE.TYPE, CE.CORRELATIONID)), PARTITION_KEY)


def messages_url(endpoint: str) -> str:
    """Return the address of an agent's ``POST /messages``."""
    return f"{endpoint.rstrip('/')}/messages"


def request_headers(envelope: Envelope, lead_id: LeadId) -> dict[str, str]:
    """Write the headers of a request that carries a framed message in its body."""
    headers = {name: encoded(value) for name, value in envelope.http_headers().items()}
    headers[PARTITION_KEY] = encoded(lead_id)
    headers["content-type"] = CONTENT_TYPE
    headers["idempotency-key"] = encoded(envelope.id)
    return headers


def parse_request(headers: Mapping[str, str]) -> tuple[Envelope, LeadId]:
    """Read the envelope and the lead id of a request.

    Raises:
        Refusal: ``HEADER_INVALID``, when a required header is missing or a known one malformed.
    """
    attributes = attributes_of(headers)
    for name in _REQUIRED:
        if not attributes.get(name):
            raise Refusal(Reason.HEADER_INVALID, f"the header {name} is missing or empty", name)
    lead_id = text(attributes[PARTITION_KEY].encode(), PARTITION_KEY)
    return Envelope.parse_http(attributes), LeadId(lead_id)


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return all headers with lower-case names, the CloudEvents ones that are read decoded.

    Raises:
        Refusal: ``HEADER_INVALID``, when one that decides something is not percent-encoded UTF-8.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: _value(name, value) for name, value in lower.items()}


def _value(name: str, value: str) -> str:
    if name in _INFORMATIVE:
        return _told(value)
    return decoded(name, value) if name in _READ else value


def _told(value: str) -> str:
    try:
        return decoded("", value)
    except Refusal:
        return ""  # it only informs


def encoded(value: str) -> str:
    """Percent-encode what an HTTP header can't carry."""
    return _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def decoded(name: str, value: str) -> str:
    """Undo :func:`encoded`; a quoted string is unquoted first, as the binding demands of receivers."""
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError as error:
        detail = f"{name} is not percent-encoded UTF-8: {error.reason}"
        raise Refusal(Reason.HEADER_INVALID, detail, name) from error
