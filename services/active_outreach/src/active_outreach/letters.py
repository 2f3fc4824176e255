"""The stand-in's letters, from ``letters/*.txt``: the first line is the subject, the rest the text."""

import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template


def letter(name: str, words: Mapping[str, str]) -> tuple[str, str]:
    """Fill ``letters/<name>.txt`` with ``words``; return subject and body."""
    text = (files(__package__) / "letters" / f"{name}.txt").read_text(encoding="utf-8")
    subject, _, body = Template(text).substitute(words).partition("\n")
    return subject.strip(), re.sub(r"\n{3,}", "\n\n", body).strip()
