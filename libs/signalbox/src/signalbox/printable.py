"""Text that can be written anywhere: models and agents may answer with what UTF-8 can't hold."""


def printable(text: str) -> str:
    """Return ``text`` with each lone surrogate written as its escape, so that it can be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()
