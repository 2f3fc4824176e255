"""What a model's tokens cost: the operator's own prices, or the public table of ``genai-prices``."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

from signalbox.models.settings import OFFLINE

NANOS: Final = 1_000_000_000
"""Costs are whole billionths of a US dollar: a token of the cheapest model is some 50 of them."""

Prices = Mapping[str, tuple[float, float]]
"""By a model's name as in ``LLM_MODEL``: US dollars for a million tokens read, and for a million written."""

_MILLION: Final = 1_000_000


class Price(Protocol):
    """Says what a request cost."""

    def __call__(self, input_tokens: int, output_tokens: int) -> int:
        """Return it in billionths of a US dollar."""


def price_of(model: str, own: Prices | None = None) -> Price | None:
    """Return the price of ``model``, named as in ``LLM_MODEL``; None when nobody knows it.

    ``own`` goes before the public table. The offline stand-in, and no model at all, cost nothing.
    """
    if own and model in own:
        return _by_the_million(*own[model])
    if model in ("", OFFLINE):
        return _by_the_million(0, 0)
    return _public(model)


def nanos_of(dollars: float) -> int:
    """Return US dollars as a cost."""
    return round(dollars * NANOS)


def usd(nanos: int) -> str:
    """Write a cost for people."""
    return f"{Decimal(nanos) / NANOS:.4f} USD"


def _by_the_million(reading: float, writing: float) -> Price:
    read, written = (Decimal(str(one)) * NANOS / _MILLION for one in (reading, writing))
    return lambda input_tokens, output_tokens: round(read * input_tokens + written * output_tokens)


def _public(model: str) -> Price | None:
    # Imported here: the table takes a quarter of a second, and offline none is needed.
    from genai_prices import Usage, calc_price

    provider, colon, rest = model.partition(":")  # Bedrock's names have colons of their own
    known, name = (provider.removesuffix("-chat"), rest) if colon else (None, model)

    def price(input_tokens: int, output_tokens: int) -> int:
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        return round(calc_price(usage, name, provider_id=known).total_price * NANOS)

    try:
        price(0, 0)
    except LookupError:
        return None
    return price
