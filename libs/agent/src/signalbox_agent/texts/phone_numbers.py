"""Phone numbers in a text: clients dial them at a touch, so they are links."""

import re
import unicodedata
from typing import Final

_FEWEST: Final = 7
_NUMBER: Final = re.compile(
    r"(?<!\d)(?<!\d[.,])(?:[+(]{0,2}\d|(?<=[^\W\d_])[+(]?0)"
    r"(?:[ \t\u00a0()./~*\u00b7\u2010-\u2015\u2053\u20e3\u2212\u223c\u30fc-]{0,4}\d){5,}(?!\d)"
)
"""Up to four signs between two digits, as libphonenumber finds them."""
_SERVICE: Final = re.compile(
    r"(?<![\w.,])(?:(?:\+?1[-. ]?\(?)?(?:8(?:00|33|44|55|66|77|88)|0[89]00)|\+?1[-. ]?\(?900)\)?[-. ]+"
    r"(?:[A-Z][A-Z0-9-]{3,}|[a-z]+-[a-z-]+)"
)
"""Numbers with words in them: 1-800-FLOWERS. A 900 without the 1 before it is an amount: 900 ERP-users."""
_DATE: Final = r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})"
_YEAR: Final = r"(?:19|20)\d\d"
_THOUSANDS: Final = r"[1-9]\d{0,2}(?:[ .\u00a0]\d{3})*[ .\u00a0]000"
_TO: Final = r"\D{1,3}"
_NO_NUMBERS: Final = re.compile(
    rf"{_DATE}(?:{_TO}(?:{_DATE}|\d{{1,2}}))?|{_YEAR}(?:{_TO}{_YEAR})+|{_THOUSANDS}(?:{_TO}{_THOUSANDS})?"
)


def phone_numbers(text: str) -> list[str]:
    """Return what looks like a phone number: seven digits or more, parted at most by signs between them.

    Dates, spans of years and round thousands are none; years, prices and amounts are too short. An order's
    number of seven digits is taken for one, as telephones do.
    """
    digits = "".join(_plain_digit(one) for one in text)
    found = [match[0].strip() for match in _NUMBER.finditer(digits) if _is_number(match[0])]
    return [*found, *(match[0] for match in _SERVICE.finditer(digits))]


def digits_of(text: str) -> str:
    """Return the digits alone, to compare numbers by."""
    return re.sub(r"\D", "", text)


def _is_number(text: str) -> bool:
    return len(digits_of(text)) >= _FEWEST and not _NO_NUMBERS.fullmatch(text.strip(" \t()./-"))


def _plain_digit(character: str) -> str:
    return str(unicodedata.digit(character, character)) if not character.isascii() else character
