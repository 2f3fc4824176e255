"""What speaks against sending a mail, whoever wrote it: one judgement for drafting agents and Send Email."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from signalbox_agent.texts.clickable import foreign_links
from signalbox_agent.texts.hidden import without_hidden

MOST_MAILS: Final = 20
SUBJECT_LIMIT: Final = 300
BODY_LIMIT: Final = 8_000
_SHOWN: Final = 100
_PLACEHOLDER: Final = re.compile(
    r"""(?ix)
    \{[^{}\n]{1,60}\} | \{\{ | \}\} | \$\{ | \$[a-z_]\w* | %[a-z_]\w*% | %\(\w+\)s | (?<![\w\d])%[sd]\b
    | <<[^<>\n]{1,60}>> | <%.{0,60}?%> | \#\{\w | @@\w+@@ | (?<!\w)__\w+?__(?!\w) | lorem\ ipsum
    | \[(?:your|my|the|first|last|full|sender|recipient|lead|insert|company|name|title|topic|date|link|phone|
      calendar|vorname|nachname|name|firma)\b[^\]\n]{0,40}\]
    """
)
_MARKUP: Final = re.compile(
    r"(?i)<[/!?]?[a-z][a-z0-9:-]*(?:\s[^<>]{0,2000}|/)?/?>|<!--|<[a-z]+\s+[a-z-]+\s*=|&(?:#x?[0-9a-f]{1,7}|[a-z]{2,10});"
)
_WORD: Final = re.compile(r"\w+")
_FEWEST_WORDS: Final = 8
_ALIKE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a mail may not be sent: ``field`` is ``subject`` or ``body``, ``why`` goes on after it.

    ``found`` quotes it, for whoever may read the mail: it can be personal.
    """

    field: str
    why: str
    found: str = ""


def unfit(subject: str, body: str, allowed_hosts: Collection[str]) -> Unfit | None:
    """Return the first thing that speaks against a mail; links may lead to ``allowed_hosts`` alone."""
    for field, text, limit in (("subject", subject, SUBJECT_LIMIT), ("body", body, BODY_LIMIT)):
        if problem := _problem(text, limit, allowed_hosts):
            why, found = problem
            return Unfit(field, why, found[:_SHOWN])
    return None


def _problem(text: str, limit: int, allowed_hosts: Collection[str]) -> tuple[str, str] | None:
    if len(text) > limit:
        return f"is longer than {limit} characters", ""
    if without_hidden(text) != text:
        return "has characters that a reader can't see, such as U+202E or U+200B", ""
    if found := _PLACEHOLDER.search(text):
        return "still has a placeholder", found[0]
    if found := _MARKUP.search(text):
        return "has markup in it, and mails are plain text", found[0]
    if links := foreign_links(text, allowed_hosts):
        where = ", ".join(sorted(allowed_hosts)) or "nowhere"
        return f"links elsewhere: links, mail addresses and phone numbers may lead to {where} alone", links[0]
    return None


def twins(mails: Sequence[tuple[str, str]]) -> tuple[int, int] | None:
    """Return the places of two mails, as subject and body, that say the same; None when all differ."""
    words = [_WORD.findall(f"{subject} {body}".casefold()) for subject, body in mails]
    for later in range(len(mails)):
        for earlier in range(later):
            if _alike(words[earlier], words[later]):
                return earlier, later
    return None


def _alike(one: list[str], other: list[str]) -> bool:
    """Say whether two mails have the same words, or, when they are long enough to tell, nearly the same."""
    if one == other:
        return True
    if min(len(one), len(other)) < _FEWEST_WORDS:
        return False
    ours, theirs = _triples(one), _triples(other)
    return len(ours & theirs) >= _ALIKE * min(len(ours), len(theirs))


def _triples(words: list[str]) -> set[tuple[str, ...]]:
    # Numbers count as one word, whatever they are: a mail that only counts up says the same again.
    plain = ["0" if word.isdecimal() else word for word in words]
    return {tuple(plain[start : start + 3]) for start in range(len(plain) - 2)}
