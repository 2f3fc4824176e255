"""Texts in posted forms: decoded strictly, in the character set that the form names, or refused by field."""

from collections.abc import Iterable, Mapping
from email.message import Message
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException

from lead_capture.lead import InvalidLead, Problem

_CHARSETS: Final[Mapping[str, str]] = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    # The web reads the label Latin-1 as Windows-1252 (WHATWG, Encoding); they differ in controls alone.
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-15": "iso8859_15",
}
_CHARSET_FIELD: Final = "_charset_"
_MOST_FIELDS: Final = 50


def charset_of(content_type: str) -> str:
    """Return the charset that a Content-Type header names, in lower case; empty: none."""
    header = Message()
    header["content-type"] = content_type or "text/plain"
    return str(header.get_param("charset", "")).strip().lower()


def fields_of(body: bytes) -> list[tuple[bytes, bytes]]:
    """Split an ``application/x-www-form-urlencoded`` body into its fields, undecoded.

    Raises:
        HTTPException: 400 when there are too many.
    """
    parts = [part for part in body.split(b"&", _MOST_FIELDS + 1) if part]
    if len(parts) > _MOST_FIELDS:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the form has more than {_MOST_FIELDS} fields")
    pairs = (part.replace(b"+", b" ").partition(b"=") for part in parts)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def decoded(fields: Iterable[tuple[bytes, bytes]], charset: str) -> list[tuple[str, str]]:
    """Decode a form's fields. A field ``_charset_`` (RFC 7578, 4.6) goes before ``charset``, and is left out.

    Raises:
        InvalidLead: names each field that is not in the form's charset.
        HTTPException: 415 when it is none that is read here.
    """
    fields = list(fields)
    own = [value for name, value in fields if name == _CHARSET_FIELD.encode()]
    codec = _codec(own[0].decode("ascii", "replace").strip().lower() if own else charset)
    problems: list[Problem] = []
    found = []
    for raw_name, value in fields:
        name = raw_name.decode(codec, "replace")
        try:
            pair = raw_name.decode(codec), value.decode(codec)
        except UnicodeDecodeError:
            told = own[0].decode("ascii", "replace") if own else charset or "UTF-8"
            problems.append(
                Problem(name, f"is not text in {told}: send the form in UTF-8, or name its charset")
            )
        else:
            if name != _CHARSET_FIELD:
                found.append(pair)
    if problems:
        raise InvalidLead(*problems)
    return found


def _codec(charset: str) -> str:
    if charset not in _CHARSETS:
        detail = f"the form is in {charset[:40]!r}, which is not read here: send it in UTF-8"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    return _CHARSETS[charset]
