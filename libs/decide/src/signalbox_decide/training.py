"""Learning a linear router from labelled messages, with scikit-learn, which serving does without."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox_decide.learned import VERSION, Learned, LearnedFile, definition_digest
from signalbox_decide.text_features import SIZE, features
from signalbox_decide.text_features import VERSION as FEATURES_VERSION

INSTALL: Final = "pip install 'signalbox-decide[train]'"
_STRENGTH: Final = 300.0
"""The inverse of the regularisation: texts have length 1, so weights must be large to tell them apart."""
_HELD_BACK: Final = 5
"""One in so many groups is held back for the temperature."""
_DIGITS: Final = 4
_COOLEST, _HOTTEST, _STEPS = 0.05, 20.0, 40
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Example:
    """A message's text, who could take it, and who should.

    Examples of one ``group`` are variants of one text: they are held back together.
    """

    group: str
    text: str
    candidates: tuple[AgentId, ...]
    label: str


def learn(examples: Sequence[Example], agents: Mapping[AgentId, AgentDefinition]) -> LearnedFile:
    """Learn from ``examples``; the same examples give the same weights.

    The weights are learned from all examples. The temperature is chosen on one in five groups of them, by
    weights that were learned from the others.

    Raises:
        ConfigurationError: scikit-learn is missing, or there is too little to learn from.
    """
    held_back = [example for example in examples if _is_held_back(example.group)]
    others = [example for example in examples if not _is_held_back(example.group)]
    if not held_back or len({example.label for example in others}) < 2:  # noqa: PLR2004 - a choice
        raise ConfigurationError("too few examples to learn from: some of two labels at least are needed")
    named = {agent for example in examples for agent in example.candidates}
    definitions = {agent: agents[agent] for agent in sorted(named)}
    temperature = _temperature(_fitted(others, definitions, 1.0), held_back)
    return _fitted(examples, definitions, temperature)


def _fitted(
    examples: Sequence[Example], agents: Mapping[AgentId, AgentDefinition], temperature: float
) -> LearnedFile:
    regression = _regression()
    regression.fit(_matrix([example.text for example in examples]), [example.label for example in examples])
    rows = _rows(regression)
    classes = (*agents, NO_AGENT)
    # A class that no example has gets the lowest score of all, and no weights.
    absent = (min(bias for bias, _ in rows.values()) - 10.0, (0.0,) * SIZE)
    return LearnedFile(
        version=VERSION,
        features_version=FEATURES_VERSION,
        agents={agent: definition_digest(definition) for agent, definition in agents.items()},
        classes=classes,
        bias=tuple(rows.get(name, absent)[0] for name in classes),
        weights=tuple(rows.get(name, absent)[1] for name in classes),
        temperature=temperature,
        cases=len(examples),
    )


def _regression() -> Any:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ConfigurationError(f"learning needs scikit-learn: {INSTALL}") from error
    return LogisticRegression(C=_STRENGTH, max_iter=1000)


def _matrix(texts: Sequence[str]) -> Any:
    from scipy.sparse import csr_matrix

    found = [features(text) for text in texts]
    ends = [0]
    for one in found:
        ends.append(ends[-1] + len(one))
    values = [value for one in found for value in one.values()]
    indices = [index for one in found for index in one]
    return csr_matrix((values, indices, ends), shape=(len(texts), SIZE))


def _rows(regression: Any) -> dict[str, tuple[float, tuple[float, ...]]]:
    """Return bias and weights by class; of two classes the library keeps one row, the second's."""
    names = [str(name) for name in regression.classes_]
    weights, bias = regression.coef_.tolist(), regression.intercept_.tolist()
    if len(names) == 2:  # noqa: PLR2004 - the library's special case
        weights, bias = [[0.0] * SIZE, weights[0]], [0.0, bias[0]]
    rounded = [tuple(_short(number) for number in row) for row in weights]
    return {name: (_short(bias[at]), rounded[at]) for at, name in enumerate(names)}


def _short(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _temperature(cold: LearnedFile, held_back: Sequence[Example]) -> float:
    """Return the temperature by which ``held_back`` is least surprising; golden section on its logarithm."""
    learned = Learned(cold)
    known = [_log_chances(learned, example) for example in held_back]

    def surprise(log_heat: float) -> float:
        return sum(_surprise(scores, at, math.exp(log_heat)) for scores, at in known)

    low, high = math.log(_COOLEST), math.log(_HOTTEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if surprise(left) < surprise(right):
            high = right
        else:
            low = left
    return _short(math.exp((low + high) / 2))


def _log_chances(learned: Learned, example: Example) -> tuple[list[float], int]:
    chances = learned.chances(example.text, example.candidates)
    return [math.log(max(chance, _TINY)) for chance in chances.values()], list(chances).index(example.label)


def _surprise(scores: Sequence[float], right: int, heat: float) -> float:
    hot = [score / heat for score in scores]
    highest = max(hot)
    return highest + math.log(sum(math.exp(score - highest) for score in hot)) - hot[right]


def _is_held_back(group: str) -> bool:
    return int.from_bytes(hashlib.sha256(f"held back {group}".encode()).digest()[:4], "big") % _HELD_BACK == 0
