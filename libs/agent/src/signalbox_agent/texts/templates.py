"""Templates of the offline stand-ins' mails: files of a service, filled with words."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template


def filled(package: str, name: str, words: Mapping[str, str]) -> tuple[str, str]:
    """Fill ``templates/<name>.txt`` of ``package``; return subject, its first line, and body."""
    subject, _, body = _template(package, name).substitute(words).partition("\n")
    return subject.strip(), re.sub(r"\n{3,}", "\n\n", body).strip()


@cache
def _template(package: str, name: str) -> Template:
    return Template((files(package) / "templates" / f"{name}.txt").read_text(encoding="utf-8"))
