"""Amounts and promises in a mail that no fact of ours has: a model makes them up, or a stranger asked it to.

What code can say for sure is that a number with a per cent sign or a currency stands in no fact. Promises are
known by their usual English words alone; one in other words or another language passes.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from signalbox_agent.texts.wording import plain

_NUMBER: Final = r"\d(?:[\d.,'\u2019 \u00a0]{0,20}\d)?"
_CODES: Final = (
    "USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|BRL|MXN|ZAR|KRW|SGD|HKD|AED|SAR|"
    "ILS|THB|IDR|MYR|PHP|VND|BTC|ETH|euros?|dollars?|pounds?|francs?|yen|yuan|rupees?|rubles?|kronor|kroner|zloty|pesos?|"
    "bucks|€|元|円|원|руб\\w*"
)
_PER_CENT: Final = (
    r"%|٪|per\s?cento?|Prozent|pour\s?cent|por\s?ciento|por\s?cento|procent\w?|процент\w*|パーセント"
)
_AMOUNT: Final = re.compile(
    rf"(?i)({_NUMBER})\s?(?:[km]\s?|mio\.?\s?|million\s)?({_PER_CENT}|(?:{_CODES})(?!\w)|[{{money}}])"
    rf"|(?<!\w)((?:{_CODES})|[{{money}}])\s?({_NUMBER})".replace(
        "{money}", "".join(map(re.escape, "$¢£¤¥₠₡₢₣₤₥₦₧₨₩₪₫€₭₮₯₰₱₲₳₴₵₶₷₸₹₺₻₼₽₾₿"))
    )
)
_PROMISE: Final = re.compile(
    r"(?i)\b(?:free of charge|for free|at no (?:cost|charge)|discount\w*|guarantee\w*|money[- ]back|"
    r"refund\w*|vouchers?|gift ?cards?|coupons?|cash ?back|promo(?:tion(?:al)?)? codes?|"
    r"free (?:trial|plan|gift|licen[cs]e|month|year|pilot|consultation|upgrade|account)s?)\b"
)


def invented_offers(text: str, facts: str, names: Collection[str] = ()) -> list[str]:
    """Return amounts and promises in ``text`` that ``facts``, which are true of us, don't have.

    ``names`` are of people and companies: their words promise nothing.
    """
    ours = _amounts(facts)
    found = [told for amount, told in _amounts(text).items() if amount not in ours]
    promised = text
    for name in names:
        promised = promised.replace(name, " ") if name else promised
    known = facts.casefold()
    return [*found, *(match[0] for match in _PROMISE.finditer(promised) if match[0].casefold() not in known)]


def _amounts(text: str) -> dict[tuple[str, str], str]:
    """Return amounts by their digits and what they are of, each as it is written."""
    flat = unicodedata.normalize("NFKC", text)
    found: dict[tuple[str, str], str] = {}
    for match in _AMOUNT.finditer(flat):
        number, unit = (match[1], match[2]) if match[1] else (match[4], match[3])
        kind = "%" if re.fullmatch(_PER_CENT, unit, re.IGNORECASE) else "money"
        found.setdefault((re.sub(r"\D", "", number), kind), match[0])
    return found


def quotable(text: str | None, limit: int) -> str:
    """Return foreign words that fit into our mail; an amount or a promise would read as our own."""
    words = plain(text, limit)
    return "" if invented_offers(words, "") else words
