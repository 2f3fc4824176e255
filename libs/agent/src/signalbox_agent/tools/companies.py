"""A CSV file of companies, as CRMs export it, by the domain of their mail."""

import csv
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from signalbox_agent.tools.domains import named_domain

_BYTE_LIMIT: Final = 16 * 1024 * 1024
_NAME_COLUMNS: Final = ("company", "company_name", "account", "account_name")
_DOMAIN_COLUMNS: Final = ("domain", "email_domain", "website", "company_website", "email")
_LEGAL_FORMS: Final = re.compile(
    r"\W+(inc|incorporated|llc|ltd|limited|corp|corporation|co|company|gmbh|ag|se|kg|sa|sas|sarl|bv|nv|oy|ab|as|plc|srl|spa|kk)\W*$"
)


class Unreadable(Exception):
    """The file can't be used now; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: its number, and the named values that aren't empty."""

    line: int
    facts: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Index:
    stamp: tuple[int, int]
    by_domain: dict[str, Entry] = field(default_factory=dict)
    company_of: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)

    def add(self, domain: str, company: str, entry: Entry) -> None:
        """Note an entry; a domain under which there are two companies is neither's own."""
        self.by_domain.setdefault(domain, entry)
        if company and self.company_of.setdefault(domain, company) != company:
            self.shared.add(domain)


class Companies:
    """The file's companies. A changed file is read again at the next look-up; methods block."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._index: _Index | None = None
        self._lock = threading.Lock()

    def find(self, domain: str) -> Entry | None:
        """Return the entry of the one company whose domain this is; None when there is none.

        Raises:
            Unreadable: the file is missing, too large, or no CSV with a domain column.
        """
        with self._lock:
            index = self._current()
        return None if domain in index.shared else index.by_domain.get(domain)

    def _current(self) -> _Index:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._index is None or self._index.stamp != stamp:
                self._index = _read(self._path, stamp)
        except (OSError, ValueError, csv.Error) as error:
            raise Unreadable(f"can't be read: {type(error).__name__}") from error
        return self._index


def _read(path: Path, stamp: tuple[int, int]) -> _Index:
    if stamp[1] > _BYTE_LIMIT:
        raise Unreadable(f"is larger than {_BYTE_LIMIT} bytes")
    if not path.is_file():
        raise Unreadable("is no file")
    index = _Index(stamp)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        columns = {_column(name): name for name in rows.fieldnames or []}
        names = [columns[name] for name in _NAME_COLUMNS if name in columns]
        domains = [columns[name] for name in _DOMAIN_COLUMNS if name in columns]
        if not domains:
            raise Unreadable(f"has none of the columns {', '.join(_DOMAIN_COLUMNS)}")
        for row in rows:
            entry = Entry(rows.line_num, _facts(row))
            company = next((key for name in names if (key := _name_key(row[name] or ""))), "")
            for column in domains:
                if domain := named_domain(row[column] or ""):
                    index.add(domain, company, entry)
    return index


def _facts(row: dict[str, str]) -> dict[str, str]:
    # A row with more cells than the header has has them, as a list, under no name.
    return {
        _column(name): value.strip()
        for name, value in row.items()
        if isinstance(name, str) and isinstance(value, str) and value.strip()
    }


def _column(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def _name_key(company: str) -> str:
    plain = " ".join(company.casefold().split())
    return re.sub(r"\W+", " ", _LEGAL_FORMS.sub("", plain)).strip()
