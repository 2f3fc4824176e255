"""What a lead must be to get in: the rules of the contract ``sdr.Lead``, checked at the door.

They are checked here too, and not only by the gate, so that whoever fills in the form learns at once
which field is wrong.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import urlsplit

import httpx2
import idna
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from signalbox.addresses import mailbox
from signalbox.protocol.names import LeadId

_LEAD_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,99}")
_LINE_BREAKS: Final = "\n\r\u2028\u2029"
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159")
"""Letters and symbols that show nothing: Hangul fillers, empty braille, hieroglyphs' and music's blanks."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one field."""

    field: str
    detail: str


class InvalidLead(Exception):
    """A submission that can't become a lead; ``problems`` names each bad field."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"{problem.field} {problem.detail}" for problem in problems))
        self.problems = problems


def _wrong(detail: str) -> NoReturn:
    raise PydanticCustomError("lead", "{detail}", {"detail": detail})


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _one_line_ends(value: str) -> str:
    # Browsers post CRLF, spreadsheets write what they like; one form is kept.
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _filled(value: str) -> str:
    # A zero-width space survives strip(), but no one can read a name made of it.
    return value if any(map(_is_seen, value)) else _wrong("is required")


def _is_seen(character: str) -> bool:
    # A mark shows with the letter that it stands on; selectors and joiners are marks, too.
    marks_and_blanks = ("M", "Z", "C")
    return not unicodedata.category(character).startswith(marks_and_blanks) and character not in _BLANK


def _without_controls(value: str) -> str:
    for character in value:
        if character < " " or "\x7f" <= character <= "\x9f":
            if character not in "\n\t":
                _wrong(f"has a control character (U+{ord(character):04X})")
        elif "\ud800" <= character <= "\udfff":
            _wrong("is not valid Unicode: it has half of a surrogate pair")
        elif character == "\ufffd":
            _wrong("has a replacement character (U+FFFD): it was read in a wrong charset before; send UTF-8")
    return value


def _on_one_line(value: str) -> str:
    return _wrong("must be on one line") if any(c in _LINE_BREAKS for c in value) else value


def _without_tabs(value: str) -> str:
    return _wrong("has a control character (U+0009)") if "\t" in value else value


def _email(value: str) -> str:
    """Check the address as the mailer does; ``example`` and ``test`` domains are welcome."""
    try:
        # Written in other scripts, one address has several spellings (full-width dots, say): one is kept.
        kept = value if value.isascii() else mailbox(value).readable
        mailbox(kept)
    except ValueError as error:
        _wrong(f"is not an e-mail address: {error}")
    return kept


def _website(value: str) -> str:
    """Check that tools could fetch it: it has a host that the DNS or an address can name, and no user."""
    if any(c.isspace() or c == "\\" or unicodedata.category(c) == "Cf" for c in value):
        _wrong("must be a web address without spaces, backslashes and invisible characters")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        _wrong(f"is not a web address: {error}")
    if not usable:
        _wrong("must be a web address that starts with http:// or https://")
    if "@" in parts.netloc:
        _wrong("is a web address with a user name in it: leave it out")
    try:
        httpx2.URL(value)
        _check_host(parts.hostname or "")
    except (httpx2.InvalidURL, ValueError) as error:
        _wrong(f"is not a web address: {error}")
    return value


def _check_host(host: str) -> None:
    if "%" in host:
        raise ValueError("a zone is one machine's own")
    if ":" in host:
        IPv6Address(host)
    elif re.fullmatch(r"[0-9.]+", host):
        IPv4Address(host)
    else:
        name = idna.encode(host, uts46=True, transitional=False).decode().rstrip(".")
        if not re.fullmatch(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", name, re.IGNORECASE):
            raise ValueError("its host is no name")


def is_lead_id(text: str) -> bool:
    """Say whether a lead can have this id."""
    return bool(_LEAD_ID.fullmatch(text))


def _id(value: str) -> str:
    if not is_lead_id(value):
        _wrong("must be 1 to 100 letters, digits and . _ : ~ - and start with a letter or digit")
    return value


_Line = Annotated[
    str, AfterValidator(_without_controls), AfterValidator(_without_tabs), AfterValidator(_on_one_line)
]
_Filled = Annotated[_Line, AfterValidator(_filled)]
_Short = Annotated[_Filled, Field(max_length=200)]
_Email = Annotated[_Filled, Field(max_length=254), AfterValidator(_email)]
_Website = Annotated[_Line, Field(max_length=2048), AfterValidator(_website)]
_Text = Annotated[
    str, Field(max_length=20_000), AfterValidator(_one_line_ends), AfterValidator(_without_controls)
]


class LeadDetails(BaseModel):
    """The fields that a person fills in. The limits keep a record far below the gate's 256 KiB."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=True)

    name: _Short
    email: _Email
    company_name: _Short
    job_title: _Short
    lead_source: _Short
    company_website: Annotated[_Website | None, BeforeValidator(_none_if_blank)] = None
    project_description: Annotated[_Text | None, BeforeValidator(_none_if_blank)] = None


class Submission(LeadDetails):
    """A lead's fields, with the id that its sender has for it, if any."""

    lead_id: Annotated[Annotated[str, AfterValidator(_id)] | None, BeforeValidator(_none_if_blank)] = None

    def details(self) -> LeadDetails:
        """Return the fields without the id."""
        return LeadDetails.model_construct(**self.model_dump(exclude={"lead_id"}))


FIELDS: Final = tuple(Submission.model_fields)
REQUIRED: Final = tuple(name for name, field in Submission.model_fields.items() if field.is_required())


@dataclass(frozen=True, slots=True)
class CapturedLead:
    """A lead that was accepted. ``captured_at`` is aware, UTC, in whole milliseconds."""

    lead_id: LeadId
    details: LeadDetails
    captured_at: datetime


def read_submission(fields: Mapping[str, Any]) -> Submission:
    """Check the fields of a lead.

    Raises:
        InvalidLead: naming each bad, missing and unknown field.
    """
    try:
        return Submission.model_validate(dict(fields))
    except ValidationError as error:
        raise InvalidLead(*map(_problem, error.errors(include_url=False, include_input=False))) from error


def _problem(error: ErrorDetails) -> Problem:
    field = str(error["loc"][0]) if error["loc"] else ""
    text = _DETAILS.get(error["type"], error["msg"])
    return Problem(field, text.format(**error.get("ctx", {})) if error["type"] in _DETAILS else text)


_DETAILS: Final = {
    "missing": "is required",
    "string_type": "must be text",
    "string_unicode": "is not valid Unicode: it has half of a surrogate pair",
    "string_too_long": "is longer than {max_length} characters",
    "extra_forbidden": f"is not a field of a lead; the fields are {', '.join(FIELDS)}",
}
