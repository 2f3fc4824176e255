"""Telling what is not as it should be, without knowing to whom."""

from collections.abc import Callable

Report = Callable[[str, str | None], None]
"""Takes what is not as it should be: which part, and how; None when it is well again."""


def untold(_: str, __: str | None) -> None:
    """Tell no one."""
