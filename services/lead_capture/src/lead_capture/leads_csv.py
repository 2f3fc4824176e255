"""Leads from a CSV file (RFC 4180, UTF-8), row by row, each with the line at which it starts."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from lead_capture.lead import FIELDS, REQUIRED, Problem

_CHUNK: Final = 64 * 1024
_NEWLINE: Final = b"\n"
_DELIMITERS: Final = ",;\t"
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


class LeadTable:
    """The rows of a CSV file that is held in ``file``, read as they are asked for.

    The delimiter is the comma, or what the header uses instead of it: semicolon or tab. Column names
    match without regard to case, and ``Company name`` is ``company_name``.

    Raises:
        UnreadableCsv: when the file is not UTF-8, empty, or without a column that each lead needs.
    """

    def __init__(self, file: IO[bytes]) -> None:
        _require_utf8(file)
        file.seek(0)
        # newline="" leaves line ends to the csv module, so that a quoted newline stays in its cell.
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        first_line = self._text.readline()
        self._text.seek(0)
        delimiter = max(_DELIMITERS, key=first_line.count)
        # strict: a stray quote is an error of its row instead of swallowing the rows after it.
        self._reader = csv.reader(self._text, delimiter=delimiter, strict=True)
        self._columns = self._read_header()

    @property
    def ignored_columns(self) -> list[str]:
        """The columns that are no field of a lead."""
        return [column for column in self._columns if column not in FIELDS]

    def rows(self) -> Iterator[Row]:
        """Read the rows; blank lines are skipped."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, fault=Problem(_ROW, _fault(error)))
                continue
            if any(cells):
                yield self._row(line, cells)

    def close(self) -> None:
        """Let go of the file without closing it."""
        self._text.detach()

    def _read_header(self) -> list[str]:
        try:
            names = next(self._reader)
        except StopIteration:
            raise UnreadableCsv("the file is empty: its first line must name the columns") from None
        except csv.Error as error:
            raise UnreadableCsv(f"the header can't be read: {_fault(error)}") from error
        columns = [_column(name) for name in names]
        faults = [Problem(name, "is a required column") for name in REQUIRED if name not in columns]
        faults += [Problem(name, "is there more than once") for name in FIELDS if columns.count(name) > 1]
        if faults:
            raise UnreadableCsv("the header (the first line) doesn't have the columns of a lead", *faults)
        return columns

    def _row(self, line: int, cells: list[str]) -> Row:
        if len(cells) > len(self._columns):
            detail = f"has {len(cells)} cells, but the header has {len(self._columns)}"
            return Row(line, fault=Problem(_ROW, detail))
        # A short row lacks its last cells: whether that matters, the rules for the fields say.
        pairs = zip(self._columns, cells, strict=False)
        return Row(line, {column: cell for column, cell in pairs if column in FIELDS})


def _column(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def _fault(error: csv.Error) -> str:
    text = str(error)
    return next((detail for part, detail in _FAULTS.items() if part in text), text)


def _require_utf8(file: IO[bytes]) -> None:
    """Read the file once, so that nothing is stored of one that turns out not to be UTF-8 half-way."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    file.seek(0)
    while True:
        chunk = file.read(_CHUNK)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            at = line + bytes(error.object[: error.start]).count(_NEWLINE)
            raise UnreadableCsv(f"line {at} is not UTF-8 text; save the file as “CSV UTF-8”") from error
        if not chunk:
            return
        line += chunk.count(_NEWLINE)
