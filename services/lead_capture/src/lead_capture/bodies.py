"""Reading request bodies: JSON, forms and CSV uploads, each strictly and within bounds."""

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import IO, Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from lead_capture.form_texts import charset_of, decoded, fields_of
from lead_capture.lead import InvalidLead, Problem
from lead_capture.leads_csv import UnreadableCsv
from lead_capture.problems import BodyTooLarge
from signalbox.protocol.errors import Unavailable

CSV_LIMIT: Final = 5 * 1024 * 1024
"""The longest CSV file, in bytes."""
FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_CSV: Final = frozenset({"text/csv", "application/csv", "application/vnd.ms-excel", "text/plain", ""})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_UTF16: Final = frozenset({"utf-16", "utf-16le", "utf-16be"})
_FIELDS: Final = 50
_IN_MEMORY: Final = 1024 * 1024


def media_type(request: Request) -> str:
    """Return the body's media type in lower case, without parameters; empty when it is not said."""
    return request.headers.get("content-type", "").split(";", maxsplit=1)[0].strip().lower()


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object, which is UTF-8 (RFC 8259); a byte order mark before it is no part of it.

    Raises:
        HTTPException: 400 when the body is not JSON, 415 when it says that it is not UTF-8.
        InvalidLead: when it is JSON, but no object, or a name is there twice.
    """
    charset = charset_of(request.headers.get("content-type", ""))
    if charset not in _UTF8:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"JSON is UTF-8, not {charset[:40]!r}")
    try:
        value = json.loads((await request.body()).decode("utf-8-sig"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from error
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidLead(Problem("", "must be a JSON object of a lead's fields"))
    return value


async def read_form(request: Request) -> dict[str, str]:
    """Read a posted form's text fields; files and repeated fields are refused.

    Raises:
        HTTPException: 400 when the body is no form, 415 for a charset that is not read here.
        InvalidLead: names each field that is there twice, or is not text in the form's charset.
    """
    if media_type(request) == "multipart/form-data":
        fields = await _parts(request)
    else:
        fields = fields_of(await request.body())
    return _unique(decoded(fields, charset_of(request.headers.get("content-type", ""))))


async def _parts(request: Request) -> list[tuple[bytes, bytes]]:
    """Read a multipart form's fields, undecoded."""
    try:
        form = await _RawParts(request.headers, request.stream(), max_files=0, max_fields=_FIELDS).parse()
    except MultiPartException as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, error.message) from error
    return [(name.encode("latin-1"), str(value).encode("latin-1")) for name, value in form.multi_items()]


class _RawParts(MultiPartParser):
    """Starlette's parser reads as Latin-1 what it can't decode; with all read as that, bytes survive."""

    @property
    def _charset(self) -> str:
        return "latin-1"

    @_charset.setter
    def _charset(self, _: str) -> None:
        """Ignore what the parser finds in the header: decoding is done later."""


@asynccontextmanager
async def uploaded_csv(request: Request) -> AsyncIterator[IO[bytes]]:
    """Give the CSV file of a request: the part ``file`` of a multipart body, or the body itself.

    Raises:
        UnreadableCsv: when a multipart body has no file, or the file says it is not UTF-8.
        BodyTooLarge: when it is over ``CSV_LIMIT``.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        with _room():
            await request.form(max_files=1, max_fields=10)
        async with request.form() as form:  # read before, and closed at the end
            part = form.get("file")
            if not isinstance(part, UploadFile):
                raise UnreadableCsv("the form has no file", Problem("file", "is required"))
            if (part.size or 0) > CSV_LIMIT:
                raise BodyTooLarge(CSV_LIMIT)
            yield part.file
    elif kind in _CSV:
        _require_known_charset(request)
        # The file goes to disk as it comes: memory does not grow with it.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            async for chunk in request.stream():
                with _room():
                    file.write(chunk)
            if file.tell() > CSV_LIMIT:
                raise BodyTooLarge(CSV_LIMIT)
            yield file
    else:
        detail = f"send text/csv, or multipart/form-data with a part named file, not {kind}"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


@contextmanager
def _room() -> Iterator[None]:
    """Say that there is no room for a file that is kept while it is read."""
    try:
        yield
    except OSError as error:
        raise Unavailable("the folder for temporary files", error.strerror or type(error).__name__) from error


def _require_known_charset(request: Request) -> None:
    charset = charset_of(request.headers.get("content-type", "text/csv"))
    if charset not in _UTF8 | _UTF16:
        raise UnreadableCsv(f"the file must be UTF-8, not {charset[:40]}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise InvalidLead(
            *(Problem(name, "is there more than once") for name in found if names.count(name) > 1)
        )
    return found
