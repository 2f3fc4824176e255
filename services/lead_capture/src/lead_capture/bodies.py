"""Reading request bodies: JSON, forms and CSV uploads, each strictly and within bounds."""

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from http import HTTPStatus
from typing import IO, Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from lead_capture.lead import InvalidLead, Problem
from lead_capture.leads_csv import UnreadableCsv
from lead_capture.problems import BodyTooLarge

CSV_LIMIT: Final = 5 * 1024 * 1024
"""The longest CSV file, in bytes."""
FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_CSV: Final = frozenset({"text/csv", "application/csv", "application/vnd.ms-excel", "text/plain", ""})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
_IN_MEMORY: Final = 1024 * 1024


def media_type(request: Request) -> str:
    """Return the body's media type in lower case, without parameters; empty when it is not said."""
    return request.headers.get("content-type", "").split(";", maxsplit=1)[0].strip().lower()


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        HTTPException: 400 when the body is not JSON.
        InvalidLead: when it is JSON, but no object, or a name is there twice.
    """
    try:
        value = json.loads((await request.body()).decode(), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from error
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidLead(Problem("", "must be a JSON object of a lead's fields"))
    return value


async def read_form(request: Request) -> dict[str, str]:
    """Read a posted form's text fields; files and repeated fields are refused."""
    async with request.form(max_files=0, max_fields=50) as form:
        items = form.multi_items()
    return _unique([(name, value if isinstance(value, str) else "") for name, value in items])


@asynccontextmanager
async def uploaded_csv(request: Request) -> AsyncIterator[IO[bytes]]:
    """Give the CSV file of a request: the part ``file`` of a multipart body, or the body itself.

    Raises:
        UnreadableCsv: when a multipart body has no file, or the file says it is not UTF-8.
        BodyTooLarge: when it is over ``CSV_LIMIT``.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=10) as form:
            part = form.get("file")
            if not isinstance(part, UploadFile):
                raise UnreadableCsv("the form has no file", Problem("file", "is required"))
            if (part.size or 0) > CSV_LIMIT:
                raise BodyTooLarge(CSV_LIMIT)
            yield part.file
    elif kind in _CSV:
        _require_utf8_charset(request)
        # The file goes to disk as it comes: memory does not grow with it.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            async for chunk in request.stream():
                file.write(chunk)
            if file.tell() > CSV_LIMIT:
                raise BodyTooLarge(CSV_LIMIT)
            yield file
    else:
        detail = f"send text/csv, or multipart/form-data with a part named file, not {kind}"
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def _require_utf8_charset(request: Request) -> None:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "text/csv")
    charset = str(header.get_param("charset", "")).lower()
    if charset not in _UTF8:
        raise UnreadableCsv(f"the file must be UTF-8, not {charset}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise InvalidLead(
            *(Problem(name, "is there more than once") for name in found if names.count(name) > 1)
        )
    return found
