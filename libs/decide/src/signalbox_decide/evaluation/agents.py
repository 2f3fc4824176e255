"""The definitions of the agents that a set's cases name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox_decide.evaluation.cases import Case

Agents = Mapping[AgentId, AgentDefinition]


def agents_beside(cases: Path) -> Path:
    """Return where a set says which agents it is about: ``routing.agents.yaml`` beside ``routing.jsonl``."""
    return cases.with_suffix(".agents.yaml")


def read_agents(files: Iterable[Path]) -> dict[AgentId, AgentDefinition]:
    """Read definitions: each file is an ``agent.yaml``, a list of such, or a list ``agents`` of other files.

    Paths in a list ``agents`` are relative to it and may be patterns.

    Raises:
        ConfigurationError: a file can't be read, is no definition, or two define one agent.
    """
    found: dict[AgentId, AgentDefinition] = {}
    for file in files:
        for agent in _definitions(file):
            if agent.id in found:
                raise ConfigurationError(f"{file}: {agent.id} is defined twice")
            found[agent.id] = agent
    return found


def require_agents(cases: Sequence[Case], agents: Agents) -> None:
    """Check that each candidate is defined.

    Raises:
        ConfigurationError: names the agents that are not, and a case that has them.
    """
    for case in cases:
        missing = [agent for agent in case.candidates if agent not in agents]
        if missing:
            raise ConfigurationError(f"case {case.id}: no definition of {', '.join(missing)}; see --agents")


def _definitions(file: Path) -> Iterator[AgentDefinition]:
    match _yaml(file):
        case {"agents": list() as patterns}:
            for path in (path for pattern in patterns for path in _matching(file, str(pattern))):
                yield from _defined(path, _yaml(path))
        case said:
            yield from _defined(file, said)


def _defined(file: Path, said: Any) -> Iterator[AgentDefinition]:
    match said:
        case list() as entries:
            for number, entry in enumerate(entries, start=1):
                yield _definition(f"{file}: entry {number}", entry)
        case entry:
            yield _definition(str(file), entry)


def _matching(file: Path, pattern: str) -> list[Path]:
    paths = sorted(file.parent.glob(pattern))
    if not paths:
        raise ConfigurationError(f"{file}: no file fits {pattern}")
    return paths


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: is not YAML: {error}") from error


def _definition(place: str, entry: Any) -> AgentDefinition:
    try:
        return AgentDefinition.model_validate(entry)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the whole"
        raise ConfigurationError(f"{place}: {where}: {fault['msg']}") from error
