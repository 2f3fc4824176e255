"""``agent.yaml``: what an agent says about itself, for the router and for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId, RecordType

_TYPES_LIMIT = 32
"""How many record types an agent may take, and how many it may give: each may have a condition to compile."""
_RECORD_TYPE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"


def _record_type_alone(value: Any) -> Any:
    return {"record_type": value} if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputType(_Strict):
    """A record type that the agent takes, under a condition: CEL on ``this``, the record."""

    record_type: RecordType = Field(pattern=_RECORD_TYPE, max_length=256)
    when: str | None = Field(default=None, min_length=1, max_length=1000)

    @field_validator("when")
    @classmethod
    def _compiles(cls, when: str | None) -> str | None:
        from signalbox.gate.rules import Condition

        if when is not None:
            try:
                Condition(when)
            except ConfigurationError as error:
                raise ValueError(str(error)) from error
        return when


class OutputType(_Strict):
    """A record type that the agent gives; a terminal one ends the workflow."""

    record_type: RecordType = Field(pattern=_RECORD_TYPE, max_length=256)
    terminal: bool = False


class AgentDefinition(_Strict):
    """Who an agent is, what it takes and gives, and where it listens.

    ``endpoint`` is the address of ``POST /messages`` without that path; the service fills it in from its
    host and port when ``agent.yaml`` leaves it out.
    """

    id: AgentId = Field(pattern=r"^[a-z][a-z0-9._-]{0,63}$")
    name: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1, max_length=4000)
    input: list[Annotated[InputType, BeforeValidator(_record_type_alone)]] = Field(
        min_length=1, max_length=_TYPES_LIMIT
    )
    output: list[Annotated[OutputType, BeforeValidator(_record_type_alone)]] = Field(
        min_length=1, max_length=_TYPES_LIMIT
    )
    endpoint: str = Field(default="", max_length=2000, pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$")

    @field_validator("id")
    @classmethod
    def _is_free(cls, value: AgentId) -> AgentId:
        if value.upper() == NO_AGENT:
            raise ValueError(f"{value!r} is what the router answers when no agent is right; take another id")
        return value

    @field_validator("input", "output")
    @classmethod
    def _differ(cls, entries: list[Any]) -> list[Any]:
        names = [entry.record_type for entry in entries]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"named more than once: {', '.join(repeated)}")
        return entries

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read ``agent.yaml``.

        Raises:
            ConfigurationError: names the file, the place in it, and what is wrong, one line a fault.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: can't be read: {error}") from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{path}: is not YAML: {error}") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            faults = [f"{path}: {_place(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
            raise ConfigurationError("\n".join(faults)) from error

    @classmethod
    def announced(cls, said: Mapping[str, Any]) -> Self:
        """Read what an announcement, ``control.AgentRegistered`` as plain values, says of an agent.

        Raises:
            ValidationError: it is no definition.
        """
        fields = {name: said[name] for name in cls.model_fields if name in said}
        return cls.model_validate({"id": said["agent_id"], **fields})

    def with_endpoint(self, endpoint: str) -> Self:
        """Return this definition with ``endpoint`` where it names none itself."""
        return self if self.endpoint else self.model_copy(update={"endpoint": endpoint})


def _place(location: tuple[int | str, ...]) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return place.lstrip(".") or "the whole file"
