"""What a model's tokens cost, by ``LLM_PRICES`` and the public price table."""

from signalbox.models import NANOS, ModelSettings, price_of


def price_usd(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return the price in dollars of tokens of ``model``, named as in ``LLM_MODEL``; None when not known.

    No model at all, and the offline stand-in, cost nothing.
    """
    price = price_of(model, ModelSettings().prices)
    return None if price is None else price(input_tokens, output_tokens) / NANOS
