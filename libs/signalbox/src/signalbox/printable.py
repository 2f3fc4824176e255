"""Text that can be written anywhere: models and agents may answer with what UTF-8 can't hold."""


def printable(text: str) -> str:
    """Return ``text`` with each lone surrogate written as its escape, so that it can be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


def bounded(text: str, limit: int) -> str:
    """Return ``text`` printable, and with at most ``limit`` characters: what is cut ends in an ellipsis."""
    whole = printable(text[: limit + 1])
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def quoted(value: bytes, limit: int) -> str:
    """Return foreign bytes as at most ``limit`` characters of text, whatever they are."""
    # No character of UTF-8 has more than four bytes, so what is behind these is cut anyway.
    return bounded(value[: 4 * (limit + 1)].decode(errors="replace"), limit)
