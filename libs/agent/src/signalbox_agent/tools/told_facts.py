"""Which facts about a company may be told: a list of what may, since no one can list what may not.

Drafting agents write mails to people outside, and reports travel to drafting agents. So what a CRM or a
service holds beside these facts (status, last contact, notes, revenue, owner …) ends here, for every kind of
look-up, for files and for endpoints.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

from signalbox_agent.texts import foreign_links, one_line, without_hidden

VALUE_LIMIT: Final = 200


def told(facts: Mapping[Any, Any], names: Collection[str]) -> dict[str, str]:
    """Return the facts of ``facts`` whose names are among ``names``, each as one short line."""
    texts = {str(name).strip().casefold(): _text(value) for name, value in facts.items()}
    return {name: text for name, text in texts.items() if name in names and text}


def _text(value: Any) -> str:
    """Return a scalar as a text; empty for anything else, for numbers that are none, and for what links."""
    match value:
        case str():
            text = one_line(without_hidden(value), VALUE_LIMIT)
        case bool():
            text = str(value).lower()
        case int() if value.bit_length() < 64:  # noqa: PLR2004 - Python refuses to write out very long ones
            text = str(value)
        case float() if math.isfinite(value):
            text = f"{value:g}"
        case _:
            text = ""
    return "" if foreign_links(text, ()) else text
