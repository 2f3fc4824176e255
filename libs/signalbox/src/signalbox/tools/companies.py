"""A CSV file of companies, as CRMs export it, by e-mail domain and by name."""

import csv
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BYTE_LIMIT: Final = 16 * 1024 * 1024
_NAME_COLUMNS: Final = ("company", "company_name", "account", "account_name", "name")
_DOMAIN_COLUMNS: Final = ("domain", "email_domain", "website", "company_website", "email")
_LEGAL_FORMS: Final = re.compile(
    r"\W+(inc|incorporated|llc|ltd|limited|corp|corporation|co|company|gmbh|ag|se|kg|sa|sas|sarl|bv|nv|oy|ab|as|plc|srl|spa|kk)\W*$"
)
_MAIL_PROVIDERS: Final = frozenset(
    {
        "gmail.com",
        "outlook.com",
        "hotmail.com",
        "yahoo.com",
        "icloud.com",
        "proton.me",
        "gmx.de",
        "web.de",
        "qq.com",
    }
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
    by_domain: dict[str, Entry]
    by_name: dict[str, Entry]


class Companies:
    """The file's companies. A changed file is read again at the next look-up; methods block."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._index: _Index | None = None
        self._lock = threading.Lock()

    def find(self, company: str, domain: str) -> Entry | None:
        """Return the entry with this domain, else with this name; None when there is neither.

        Raises:
            Unreadable: the file is missing, too large, or no CSV with a company or domain column.
        """
        with self._lock:
            index = self._current()
        return index.by_domain.get(domain) or index.by_name.get(_name_key(company))

    def _current(self) -> _Index:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._index is None or self._index.stamp != stamp:
                self._index = _read(self._path, stamp)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise Unreadable(f"can't be read: {error}") from error
        return self._index


def domain_of(address: str) -> str:
    """Return the company's domain in an e-mail or web address; empty for providers of private mail."""
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", address.strip().lower())
    host = re.split(r"[/?#:]", bare.rpartition("@")[2], maxsplit=1)[0].removeprefix("www.")
    return "" if host in _MAIL_PROVIDERS or "." not in host else host


def _read(path: Path, stamp: tuple[int, int]) -> _Index:
    if stamp[1] > _BYTE_LIMIT:
        raise Unreadable(f"is larger than {_BYTE_LIMIT} bytes")
    index = _Index(stamp, {}, {})
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        columns = {_column(name): name for name in rows.fieldnames or []}
        names = [columns[name] for name in _NAME_COLUMNS if name in columns]
        domains = [columns[name] for name in _DOMAIN_COLUMNS if name in columns]
        if not names and not domains:
            raise Unreadable(f"has none of the columns {', '.join((*_NAME_COLUMNS, *_DOMAIN_COLUMNS))}")
        for row in rows:
            entry = Entry(rows.line_num, _facts(row))
            for column in domains:
                if domain := domain_of(row[column] or ""):
                    index.by_domain.setdefault(domain, entry)
            for column in names[:1]:
                if name := _name_key(row[column] or ""):
                    index.by_name.setdefault(name, entry)
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
