"""The parameters of paths, queries and bodies, as the Confluent Schema Registry reads them."""

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator

from dev_registry.errors import (
    bad_request,
    invalid_compatibility,
    invalid_mode,
    other_context,
    unsupported_setting,
)
from dev_registry.model import Config, Level, Mode, Reference, Submission

DEFAULT_CONTEXT = ":.:"


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() == "true"


Flag = Annotated[bool, BeforeValidator(_is_true), Query()]
"""``true`` in any case is true, all else is false."""


def unqualified(subject: str) -> str:
    """Return the name of a subject without the mark of the default context, the only one there is.

    Raises:
        RegistryError: 42208, when it is of another context.
    """
    if subject.startswith(":") and not subject.startswith(DEFAULT_CONTEXT):
        raise other_context(subject)
    return subject.removeprefix(DEFAULT_CONTEXT)


def _decoded(segment: str) -> str:
    return unqualified(unquote(segment))


def _unmarked(prefix: str) -> str:
    # ``:*:`` asks for every context, which is the default one; what begins with another context is not there.
    return prefix.removeprefix(":*:").removeprefix(DEFAULT_CONTEXT)


Subject = Annotated[str, AfterValidator(_decoded), Path()]
SubjectPrefix = Annotated[str, AfterValidator(_unmarked), Query()]
SchemaNumber = Annotated[int, Path(ge=0, lt=2**31)]
Count = Annotated[int, Query(ge=-(2**31), lt=2**31)]


def submission(body: dict[str, Any]) -> Submission:
    """Read the body of a registration, look-up or compatibility check; raises RegistryError (400)."""
    return Submission(
        text=_typed(body, "schema", str) or "",
        schema_type=_typed(body, "schemaType", str) or "AVRO",
        references=tuple(map(_reference, _typed(body, "references", list) or [])),
        metadata=_typed(body, "metadata", dict) or None,
        rule_set=_typed(body, "ruleSet", dict) or None,
        schema_id=_number(body, "id", 0),
        version=_number(body, "version", 1),
    )


def config_change(body: dict[str, Any]) -> Config:
    """Read a change of the compatibility settings; raises RegistryError (42203; 422 for what is not kept)."""
    _refuse_all_but(body, "compatibility", "normalize")
    normalize = _typed(body, "normalize", bool)
    wanted = _typed(body, "compatibility", str)
    if wanted is None:
        return Config(normalize=normalize)
    try:
        return Config(Level(wanted.upper()), normalize)
    except ValueError:
        raise invalid_compatibility() from None


def mode_change(body: dict[str, Any]) -> Mode:
    """Read the body that sets a mode; raises RegistryError (42204)."""
    _refuse_all_but(body, "mode")
    try:
        return Mode(str(body.get("mode")).upper())
    except ValueError:
        raise invalid_mode() from None


def _refuse_all_but(body: dict[str, Any], *kept: str) -> None:
    """Refuse what would be ignored: an answer of 200 would say that it was set."""
    for name, value in body.items():
        if name not in kept and value is not None:
            raise unsupported_setting(name)


def _reference(said: Any) -> Reference:
    if not isinstance(said, dict):
        raise bad_request("a reference is an object with name, subject and version")
    name, subject = _typed(said, "name", str), _typed(said, "subject", str)
    version = _typed(said, "version", int)
    if name is None or subject is None or version is None or not -1 <= version < 2**31:
        raise bad_request("a reference has a name, a subject and a version")
    return Reference(name, unqualified(subject), version)


def _number(body: dict[str, Any], key: str, least: int) -> int | None:
    value = _typed(body, key, int)
    if value is not None and value >= 2**31:
        raise bad_request(f"{key} is out of range")
    return value if value is not None and value >= least else None


def _typed(body: dict[str, Any], key: str, kind: type) -> Any:
    value = body.get(key)
    if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
        return value
    raise bad_request(f"{key} is not of the type {kind.__name__}")
