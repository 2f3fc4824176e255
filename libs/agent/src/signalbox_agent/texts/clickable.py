"""What a mail client would make clickable, and whether it leads to us.

Clients differ, so this finds the union: what a linkifier finds, anything with ``//`` or a scheme that opens a
program, any name that ends like a domain, addresses of machines, mail addresses, phone numbers, and the
targets of markup. Hosts are compared after they were parsed; there is no list of what is bad.
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from typing import Final

from linkify_it import LinkifyIt

from signalbox_agent.texts.destinations import Allowed, leads_to_us
from signalbox_agent.texts.domain_ends import is_domain_end, known_ends
from signalbox_agent.texts.hidden import without_any_hidden
from signalbox_agent.texts.phone_numbers import phone_numbers

_STOPS: Final = r"\s<>\"'`|{}\[\]()\u00ab\u00bb\u2018-\u201f\u2039\u203a\u3008-\u3011"
_MARKS: Final = r"\x00-\x2c/:-@^\x7f-\xb6\xb8-\xbf\u2000-\u206f\u3000-\u3020\u3030-\u303f"
"""What stands in no host's name, with the stops; emoji do, and marks of vowels, which ``\\w`` leaves out."""
_WITH_SLASHES: Final = re.compile(
    rf"(?i)(?:[a-z][a-z0-9+.-]{{0,40}}:[ \t]?)?/{{2,}}"
    rf"(?:\[[^\]\s]{{2,}}\]|[^{_STOPS}])[^{_STOPS}]*|https?:/?[^{_STOPS}/]+"
)
_OPENS: Final = re.compile(
    r"(?i)(?:mailto|tel|sms|smsto|callto|skype|whatsapp|facetime|facetime-audio):[ \t]?[^\s<>\"']+"
    r"|(?:bitcoin|ethereum|ftps?|geo|ircs?|javascript|livescript|magnet|ms-[a-z-]{1,40}|news|nntp|sftp|sips?|ssh|"
    r"telnet|tg|vbscript|viber|view-source|webcals?|xmpp):[^\s<>\"']+"
    r"|file:/[^\s<>\"']*|data:[\w/+;.=-]{0,200},[^\s<>\"']*"
)
"""Schemes that open something without ``//``, also with letters glued before them."""
_RUN: Final = re.compile(rf"([^{_STOPS}{_MARKS}]+)((?::\d{{1,5}})?(?:[/?#][^{_STOPS}]*)?)")
_LOCAL_PART_GOES_ON: Final = re.compile(r"[\w.+-]{0,64}@")
_TRIES: Final = 5
_NUMERIC: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_MAIL: Final = re.compile(rf"[^{_STOPS},;:@/]{{1,128}}@[^{_STOPS},;:@/]+")
_MARKUP: Final = re.compile(
    r"""(?ix)
    \]\(\s*<?([^)>\s]+)                                # [text](target)
    | ^\s{0,3}\[[^\]\n]{1,200}\]:\s*<?(\S+)            # [name]: target
    | \b(?:href|src|srcset|action|background|poster|cite|formaction|data|ping)\s*=\s*["']?([^\s"'>]+)
    | \burl\(\s*["']?([^\s"')]+)                       # in a style
    """,
    re.MULTILINE,
)
_DOTS: Final = str.maketrans({"\u2024": ".", "\uff61": ".", "\uff0e": ".", "\ufe52": "."})
_FULL_STOP: Final = re.compile(r"(?<=\w)\u3002(?=([^\W_][\w-]*))")
"""Names in Chinese and Japanese may have it for a dot, and every sentence ends with it."""
_SLASHES: Final = str.maketrans("\\\u2044\u2215\u29f8\ufe68", "/////")


def foreign_links(text: str, allowed_hosts: Collection[str]) -> list[str]:
    """Return what a mail client would make clickable in ``text`` and what does not lead to ``allowed_hosts``.

    An allowed host allows itself and the hosts below it, for http and https at their own ports and for mail
    addresses. An entry may also be a phone number. With nothing allowed, every link is foreign.
    """
    allowed = Allowed.of(allowed_hosts)
    found: dict[str, None] = {}
    for reading in _readings(text):
        for link in _links(reading):
            if not leads_to_us(link, allowed):
                found.setdefault(link)
        for number in phone_numbers(_without_ours(reading, allowed)):
            if not allowed.has_number(number):
                found.setdefault(number)
    return list(found)


def without_links(text: str, *, spoken: bool = False) -> str:
    """Return ``text`` without links; what has none stays as it was written.

    ``spoken``: a bare domain keeps its words, for a company may be called after it: ``booking example``.
    """
    for _ in range(_TRIES):
        links = foreign_links(text, ())
        if not links:
            return text
        text = _flat(without_any_hidden(html.unescape(text)))
        for link in sorted(links, key=len, reverse=True):
            named = spoken and re.fullmatch(r"[\w.-]+", link) and not _NUMERIC.fullmatch(link)
            text = text.replace(link, link.replace(".", " ") if named else " ")
    return ""


def _readings(text: str) -> list[str]:
    """Return how clients may read a text: as it is, without what is hidden, and with a gap there."""
    unescaped = html.unescape(text)
    readings = [text, unescaped, without_any_hidden(unescaped), without_any_hidden(unescaped, " ")]
    return list(dict.fromkeys([_flat(one) for one in readings]))


def _flat(text: str) -> str:
    """Return ``text`` in its compatibility form (full width becomes plain), with slashes and dots alike."""
    normal = unicodedata.normalize("NFKC", text.translate(_DOTS)).translate(_SLASHES)
    return _FULL_STOP.sub(_dot_or_stop, normal)


def _dot_or_stop(match: re.Match[str]) -> str:
    word = match[1]
    return "." if word.lower() in known_ends() or (word.isascii() and is_domain_end(word)) else match[0]


def _links(text: str) -> Iterator[str]:
    for pattern in (_WITH_SLASHES, _OPENS, _MAIL):
        for match in pattern.finditer(text):
            yield match[0]
    yield from _named_places(text)
    for match in _MARKUP.finditer(text):
        yield next(target for target in match.groups() if target)
    for found in _linkifier().match(text) or ():
        yield found.raw


def _named_places(text: str) -> Iterator[str]:
    """Yield what ends like a domain, or is a machine's address, and stands in no mail address."""
    for match in _RUN.finditer(text):
        if "." not in match[1] or _LOCAL_PART_GOES_ON.match(text, match.end(1)):
            continue
        *before, last = re.split(r"\.{2,}", match[1])
        places = [*before, last + match[2]]
        for place in places:
            host = re.split(r"[:/?#]", place, maxsplit=1)[0].strip(".-_")
            name, dot, end = host.rpartition(".")
            if dot and name and (is_domain_end(end) or _NUMERIC.fullmatch(host)):
                yield place.lstrip(".-_")


def _without_ours(text: str, allowed: Allowed) -> str:
    """Return ``text`` without our own links: the numbers in their paths are no phone numbers."""
    return _WITH_SLASHES.sub(lambda match: " " if leads_to_us(match[0], allowed) else match[0], text)


@cache
def _linkifier() -> LinkifyIt:
    options = {"fuzzy_link": True, "fuzzy_email": True, "fuzzy_ip": True}
    return LinkifyIt(options=options).tlds(
        [end for end in sorted(known_ends()) if not end.startswith("xn--")]
    )
