"""Leads from a CSV file (RFC 4180), row by row, each with the line at which it starts.

What spreadsheets leave is read: byte order marks, UTF-16, ``sep=;``, blank rows, empty cells behind the last
column, invisible characters in the header. What would shift or change a cell silently is a fault of its row.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from lead_capture.lead import FIELDS, REQUIRED, Problem

_CHUNK: Final = 64 * 1024
_BLANK_LINES: Final = 10_000
_HEADER_LIMIT: Final = 64 * 1024
_MOST_COLUMNS: Final = 1_000
_LONG_HEADER: Final = f"the header is too long: it may have {_MOST_COLUMNS:,} columns and 65,536 characters"
"""Each name is compared with the fields of a lead: millions of them would take a core for a minute."""
_NEWLINE: Final = b"\n"
_DELIMITERS: Final = ",;\t|"
_SEP: Final = re.compile(r'"?sep=(.)"?[,;\t|]*[\r\n]*', re.IGNORECASE)
_LATE_QUOTE: Final = re.compile(r'[^\S\r\n]"|[^\x00-\x7f]"')
_QUOTED_LATE: Final = (
    "has a space or something invisible before its opening quote: begin the cell with the quote"
)
_INVISIBLE: Final = "".join(
    one for one in map(chr, range(0x10000)) if one.isspace() or unicodedata.category(one) == "Cf"
)
_ROW: Final = "row"
_FAULTS: Final = {
    "unexpected end of data": "a quoted cell is opened here and never closed",
    "expected after": "a quote inside a quoted cell must be doubled",
    "field larger than": "a cell is longer than 131,072 characters; is a quote left open?",
}


class UnreadableCsv(Exception):
    """The file as a whole can't be read as leads; nothing of it was stored."""

    def __init__(self, detail: str, *problems: Problem) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Row:
    """One data row. ``line`` is the physical line on which it starts, the header being on line 1."""

    line: int
    fields: Mapping[str, str] = field(default_factory=dict)
    fault: Problem | None = None
    blank: bool = False


class LeadTable:
    """The rows of a CSV file that is held in ``file``, read as they are asked for.

    The delimiter is the comma, or what the header uses instead of it: semicolon, tab or bar. Column names
    match without regard to case, and ``Company name`` is ``company_name``.

    Raises:
        UnreadableCsv: when the file is no text, empty, or without a column that each lead needs.
    """

    def __init__(self, file: IO[bytes]) -> None:
        encoding = _encoding(file)
        _require_encoding(file, encoding)
        file.seek(0)
        # newline="" leaves line ends to the csv module, so that a quoted newline stays in its cell.
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="")
        self._lines = _Lines(self._text)
        if len(self._lines.first()) > _HEADER_LIMIT:
            raise UnreadableCsv(_LONG_HEADER)
        delimiter = self._lines.declared_delimiter() or _delimiter(self._lines.first())
        self._unquoted = re.compile(
            rf'(?:^|{re.escape(delimiter)})(?:"(?:[^"]|"")*"|([^{re.escape(delimiter)}]*))'
        )
        self._nothing = f"{delimiter} \t\xa0\r\n"
        # strict: a stray quote is an error of its row instead of swallowing the rows after it.
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self._columns = self._read_header()

    @property
    def ignored_columns(self) -> list[str]:
        """The columns that are no field of a lead."""
        return [column for column in self._columns if column and column not in FIELDS]

    def rows(self) -> Iterator[Row]:
        """Read the rows. Of very many blank ones some are given, so that reading can stop in between."""
        while True:
            if self._lines.skip_blank(self._nothing):
                yield Row(self._lines.begin_row(), blank=True)
                continue
            line = self._lines.begin_row()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, fault=Problem(_ROW, _fault(error)))
            else:
                yield self._row(line, cells)

    def close(self) -> None:
        """Let go of the file without closing it."""
        self._text.detach()

    def _read_header(self) -> list[str]:
        self._lines.begin_row()
        try:
            names = next(self._reader)
        except StopIteration:
            raise UnreadableCsv("the file is empty: its first line must name the columns") from None
        except csv.Error as error:
            raise UnreadableCsv(f"the header can't be read: {_fault(error)}") from error
        if self._quoted_late():
            raise UnreadableCsv(f"the header can't be read: a cell {_QUOTED_LATE}")
        if len(names) > _MOST_COLUMNS:  # quoted names may stand on many lines
            raise UnreadableCsv(_LONG_HEADER)
        columns = [_column(name) for name in names]
        faults = [Problem(name, "is a required column") for name in REQUIRED if name not in columns]
        faults += [Problem(name, "is there more than once") for name in FIELDS if columns.count(name) > 1]
        if faults:
            raise UnreadableCsv("the header (the first line) doesn't have the columns of a lead", *faults)
        return columns

    def _row(self, line: int, cells: list[str]) -> Row:
        if not any(map(_visible, cells)):
            return Row(line, blank=True)
        if self._quoted_late():
            return Row(line, fault=Problem(_ROW, f"a cell {_QUOTED_LATE}"))
        if any(map(_visible, cells[len(self._columns) :])):
            detail = f"has {len(cells)} cells, but the header has {len(self._columns)}"
            return Row(line, fault=Problem(_ROW, detail))
        if len(cells) == 1 and any(one in cells[0] for one in _DELIMITERS):
            return Row(
                line, fault=Problem(_ROW, "is one cell: its cells are separated otherwise than the header's")
            )
        # A short row lacks its last cells: whether that matters, the rules for the fields say.
        pairs = zip(self._columns, cells, strict=False)
        return Row(line, {column: cell for column, cell in pairs if column in FIELDS})

    def _quoted_late(self) -> bool:
        """Say whether the row has a cell in which something that can't be seen stands before the quote.

        Such a quote does not count as one: a comma inside would begin another cell.
        """
        raw = self._lines.row()
        if not _LATE_QUOTE.search(raw):
            return False
        return any(
            cell.startswith('"')
            for found in self._unquoted.finditer(raw)
            if (cell := _visible(found[1] or ""))
        )


class _Lines:
    """The lines of a file, for the csv module, with what the row in hand is made of."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self._waiting = deque([text.readline().lstrip("\ufeff")])
        self._row: list[str] = []
        self._read = 0

    def declared_delimiter(self) -> str | None:
        """Take the line ``sep=;`` away, which spreadsheets write first, and return what it says."""
        found = _SEP.fullmatch(self._waiting[0])
        if found is None:
            return None
        if found[1] not in _DELIMITERS:
            raise UnreadableCsv(
                f"cells are separated by {found[1]!r}: use one of {' '.join(_DELIMITERS[:3])}"
            )
        self._waiting[0] = self._text.readline()
        self._read += 1
        return found[1]

    def first(self) -> str:
        """Return the line of the header."""
        return self._waiting[0]

    def begin_row(self) -> int:
        """Return the number of the line on which the next row starts, from 1."""
        self._row = []
        return self._read + 1

    def skip_blank(self, nothing: str) -> bool:
        """Skip lines of nothing but ``nothing``; True when there were so many that there may be more.

        A sheet has a million rows: where most are empty, they are not worth to be taken apart.
        """
        for _ in range(_BLANK_LINES):
            line = self._waiting[0] if self._waiting else self._text.readline()
            if not line or line.strip(nothing):
                if line and not self._waiting:
                    self._waiting.append(line)
                return False
            self._waiting.clear()
            self._read += 1
        return True

    def row(self) -> str:
        """Return the text of the row in hand."""
        return "".join(self._row)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._text.readline()
        if not line:
            raise StopIteration
        self._read += 1
        self._row.append(line)
        return line


def _delimiter(header: str) -> str:
    """Return what separates the cells of the header: that with which it has the most columns of a lead."""

    def known(delimiter: str) -> tuple[int, int]:
        names = {_column(name.strip().strip('"')) for name in header.split(delimiter)}
        return len(names.intersection(FIELDS)), header.count(delimiter)

    return max(_DELIMITERS, key=known)


def _visible(text: str) -> str:
    """Return ``text`` without the white space and the invisible characters around it."""
    stripped = text.strip()
    return stripped if stripped.isascii() else stripped.strip(_INVISIBLE)


def _column(name: str) -> str:
    seen = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return "_".join(seen.strip().lower().replace("-", " ").replace("_", " ").split())


def _fault(error: csv.Error) -> str:
    text = str(error)
    return next((detail for part, detail in _FAULTS.items() if part in text), text)


def _encoding(file: IO[bytes]) -> str:
    """Say how the file is encoded, by its byte order mark; without one it is UTF-8."""
    file.seek(0)
    start = file.read(4)
    if start in {codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE}:
        raise UnreadableCsv("the file is UTF-32; save it as “CSV UTF-8”")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise UnreadableCsv(
            "the file is UTF-16 without a byte order mark, or no text; save it as “CSV UTF-8”"
        )
    return "utf-8-sig"


def _require_encoding(file: IO[bytes], encoding: str) -> None:
    """Read the file once, so that nothing is stored of one that turns out to be something else half-way."""
    decoder = codecs.getincrementaldecoder(encoding)()
    name = encoding.removesuffix("-sig").upper()
    line = 1
    file.seek(0)
    while True:
        chunk = file.read(_CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = line + bytes(error.object[: error.start]).count(_NEWLINE)
            raise UnreadableCsv(f"line {at} is not {name} text; save the file as “CSV UTF-8”") from error
        if "\0" in text:
            at = line + text[: text.index("\0")].count("\n")
            raise UnreadableCsv(
                f"line {at} has a NUL character, so the file is no text; save it as “CSV UTF-8”"
            )
        if not chunk:
            return
        line += chunk.count(_NEWLINE)
