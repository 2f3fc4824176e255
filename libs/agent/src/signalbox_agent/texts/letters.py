"""Letters of the offline stand-ins: files of a service, filled with words."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template


def letter(package: str, name: str, words: Mapping[str, str]) -> tuple[str, str]:
    """Fill ``letters/<name>.txt`` of ``package``; return subject, its first line, and body."""
    subject, _, body = _template(package, name).substitute(words).partition("\n")
    return subject.strip(), re.sub(r"\n{3,}", "\n\n", body).strip()


@cache
def _template(package: str, name: str) -> Template:
    return Template((files(package) / "letters" / f"{name}.txt").read_text(encoding="utf-8"))
