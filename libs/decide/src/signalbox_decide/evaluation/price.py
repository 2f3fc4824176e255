"""What a model's tokens cost, by the public price table that the provider client brings."""

from signalbox.models import OFFLINE

_FREE = ("", OFFLINE)


def price_usd(model: str, input_tokens: int, output_tokens: int) -> float | None:
    """Return the price in dollars of tokens of ``model``, named as in ``LLM_MODEL``; None when not known.

    No model at all, and the offline stand-in, cost nothing.
    """
    if model in _FREE:
        return 0.0
    # Imported here: the table is large, and most rows need none.
    from genai_prices import Usage, calc_price

    provider, _, name = model.rpartition(":")
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return float(calc_price(usage, name, provider_id=provider.removesuffix("-chat") or None).total_price)
    except LookupError:
        return None
