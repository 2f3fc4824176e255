"""What may stand at the end of a host's name: any word of letters could be a new domain tomorrow."""

import re
import unicodedata
from functools import cache
from typing import Final

import idna
from linkify_it.tlds import TLDS

_RESERVED: Final = frozenset(
    {"example", "test", "invalid", "localhost", "local", "internal", "onion", "home", "lan"}
)
_COUNTRY: Final = 2


def is_domain_end(word: str) -> bool:
    """Say whether a host's name may end with ``word``: three letters or more, or a country's two.

    Two letters that are no country's are not (``Node.js``): no client makes a link of them. Three are, known
    or not, for new domains come with every year.
    """
    lower = word.lower()
    # Marks of vowels are no letters to ``\w``.
    letters = "".join(one for one in lower if not unicodedata.category(one).startswith("M"))
    if lower.startswith("xn--"):
        return True
    if not re.fullmatch(r"[^\W\d_][\w-]*", letters):
        return False
    return lower in known_ends() or (len(lower) > _COUNTRY if lower.isascii() else len(lower) >= _COUNTRY)


@cache
def known_ends() -> frozenset[str]:
    """Return IANA's top-level domains, as the linkifier has them, and those of RFC 2606 and RFC 6761."""
    listed = {name.lower() for name in TLDS}
    return frozenset(listed | {idna.decode(name) for name in listed if name.startswith("xn--")}) | _RESERVED
