"""A learned linear router: which candidate a message most probably goes to, by its words. It asks nobody.

It is served without the library that it is learned with (:mod:`signalbox_decide.training`). Its file is JSON.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox_decide.text_features import SIZE, features
from signalbox_decide.text_features import VERSION as FEATURES_VERSION

VERSION: Final = 1
LEAST_CONFIDENCE: Final = 0.9
"""What ``ROUTER_LEARNED_MIN`` is when it is not set."""


class LearnedFile(BaseModel):
    """What a learned file holds.

    ``agents`` has the digest of each agent's definition; ``weights`` has one row of numbers a class, each as
    long as a text has features. ``temperature`` is what the scores are divided by: above 1 it makes them less
    sure. ``cases`` is how many it was learned from. ``digest`` is the SHA-256 of all the rest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    features_version: int
    agents: dict[AgentId, str]
    classes: tuple[str, ...] = Field(min_length=1)
    bias: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    temperature: float = Field(gt=0, allow_inf_nan=False)
    cases: int = Field(ge=1)
    digest: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if set(self.classes) != {*self.agents, NO_AGENT} or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"the classes are not the agents and {NO_AGENT}")
        if not len(self.classes) == len(self.bias) == len(self.weights):
            raise ValueError("the numbers are not one row a class")
        if any(len(row) != SIZE for row in self.weights):
            raise ValueError(f"a row of weights has not {SIZE} numbers")
        if not all(map(math.isfinite, (*self.bias, *(number for row in self.weights for number in row)))):
            raise ValueError("a number is not finite")
        return self

    @property
    def own_digest(self) -> str:
        """The digest that the file must have."""
        return _digest(self.model_dump(mode="json", exclude={"digest"}))


class Learned:
    """Chooses by what was learned; ``digest`` says which file it is."""

    def __init__(self, file: LearnedFile) -> None:
        self._file = file
        self._index = {name: number for number, name in enumerate(file.classes)}
        self.digest = file.digest

    @classmethod
    def load(cls, file: Path, agents: Mapping[AgentId, AgentDefinition]) -> Self:
        """Read a learned file for these agents.

        An agent of the file that is not among ``agents`` is no error: it will be no candidate.

        Raises:
            ConfigurationError: the file can't be read, is broken or of another version, or was learned when
                one of ``agents`` was defined otherwise or not there.
        """
        read = _read(file)
        changed = sorted(
            id for id, agent in agents.items() if read.agents.get(id) != definition_digest(agent)
        )
        if changed:
            raise ConfigurationError(
                f"{file}: learned with other definitions of {', '.join(changed)}; learn again:"
                " signalbox routes train"
            )
        return cls(read)

    def choose(self, text: str, candidates: Sequence[AgentDefinition]) -> tuple[AgentId | str, float]:
        """Return the most probable of ``candidates`` or ``NONE``, and how probable it is, from 0 to 1.

        ``text`` is :func:`signalbox_decide.router.message_text`'s. The confidence is 0 when one of the
        candidates is not known as it is defined now: then nothing was learned about this choice.
        """
        chances = self.chances(text, [agent.id for agent in candidates])
        best = max(chances, key=lambda name: chances[name])
        return best, 0.0 if self.unknown(candidates) else chances[best]

    def unknown(self, candidates: Sequence[AgentDefinition]) -> list[AgentId]:
        """Return those of ``candidates`` that it was not learned with, or not as they are defined."""
        return [
            agent.id for agent in candidates if self._file.agents.get(agent.id) != definition_digest(agent)
        ]

    def chances(self, text: str, candidates: Sequence[AgentId]) -> dict[str, float]:
        """Return how probable each of ``candidates`` and ``NONE`` is, together 1, without unknown ones."""
        found = features(text)
        names = [name for name in (*candidates, NO_AGENT) if name in self._index]
        scores = [self._score(self._index[name], found) / self._file.temperature for name in names]
        highest = max(scores)
        powers = [math.exp(score - highest) for score in scores]
        return {name: power / sum(powers) for name, power in zip(names, powers, strict=True)}

    def _score(self, row: int, found: Mapping[int, float]) -> float:
        weights = self._file.weights[row]
        return self._file.bias[row] + sum(weights[index] * value for index, value in found.items())


def is_sure(confidence: float, at_least: float) -> bool:
    """True when a learned router's choice counts and no model is asked; never with the confidence 0."""
    return 0 < confidence >= at_least


def definition_digest(agent: AgentDefinition) -> str:
    """Return the SHA-256 of what the router is shown of an agent: its definition without its address."""
    return _digest(agent.model_dump(mode="json", exclude={"endpoint"}, exclude_none=True))


def write_learned(file: Path, learned: LearnedFile) -> None:
    """Write ``learned`` with its digest, as JSON.

    Raises:
        ConfigurationError: the file can't be written.
    """
    whole = learned.model_copy(update={"digest": learned.own_digest})
    try:
        file.write_text(whole.model_dump_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: can't be written: {error}") from error


def _read(file: Path) -> LearnedFile:
    try:
        said = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file}: can't be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file}: is no learned router: not JSON") from error
    versions = (said.get("version"), said.get("features_version")) if isinstance(said, dict) else ()
    if versions != (VERSION, FEATURES_VERSION):
        raise ConfigurationError(f"{file}: is no learned router of this version; learn again")
    try:
        read = LearnedFile.model_validate(said)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the whole"
        raise ConfigurationError(f"{file}: is broken: {place}: {fault['msg']}") from error
    if read.digest != read.own_digest:
        raise ConfigurationError(f"{file}: is broken: its digest is not that of its content")
    return read


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
