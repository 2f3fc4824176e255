"""A provider whose models answer well, except about leads for which something else was arranged."""

import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from fastapi import Response

from model_answers import answered, routed
from provider_replies import Good, Written
from provider_server import Asked, ProviderServer, provider_serving

_NUMBER: Final = re.compile(r"Ada Nowak (\d+)")
"""How :func:`operating.lead` numbers leads. The name comes early: a prompt that was cut still has it."""
ROUTER: Final = "agent"
SCORING: Final = "score"
"""Tasks, by a field that only their answers have."""


@dataclass
class Habit:
    """``written`` instead of the right answer, ``times`` times; None is always."""

    written: Written
    task: str = ROUTER
    times: int | None = None
    met: int = 0

    def strikes(self, asked: Asked) -> bool:
        return self.task in asked.properties and (self.times is None or self.met < self.times)

    def struck(self) -> Written:
        self.met += 1
        return self.written

    def is_over(self) -> None:
        self.times = 0


@dataclass
class MisbehavingProvider:
    """``habits`` by the number of the lead that meets them.

    A model's name says what it can do: ``only-tool`` refuses every form but ``tool``.
    """

    server: ProviderServer = field(init=False)
    habits: dict[int, Habit] = field(default_factory=dict)

    def answer(self, asked: Asked) -> Response | Awaitable[Response]:
        form, able = asked.form, asked.model.partition("only-")[2]
        if able not in {"", form}:
            return asked.wire.unable(form)(asked.body)
        habit = self.habits.get(number_of(asked) or -1)
        strikes = habit is not None and habit.strikes(asked)
        written = habit.struck() if habit and strikes else asked.wire.well
        return written(_right(asked.prompt, frozenset(asked.properties)))(asked.body)


def number_of(asked: Asked) -> int | None:
    """Return the number of the lead that a request is about."""
    found = _NUMBER.search(asked.prompt)
    return int(found[1]) if found else None


@lru_cache(maxsize=512)
def _right(prompt: str, fields: frozenset[str]) -> Good:
    return routed(prompt) if ROUTER in fields else answered(fields, prompt)


@contextmanager
def misbehaving_provider() -> Iterator[MisbehavingProvider]:
    """Serve on a free port until the block's end."""
    provider = MisbehavingProvider()
    with provider_serving(provider.answer) as provider.server:
        yield provider
