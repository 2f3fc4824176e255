"""The parameters of paths, queries and bodies, as the Confluent Schema Registry reads them."""

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator

from dev_registry.errors import bad_request, invalid_compatibility, invalid_mode, unsupported_setting
from dev_registry.model import Config, Level, Mode, Reference, Submission

_UNSUPPORTED = (
    "alias",
    "compatibilityGroup",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
)


def _is_true(value: Any) -> bool:
    return str(value).strip().lower() == "true"


Flag = Annotated[bool, BeforeValidator(_is_true), Query()]
"""``true`` in any case is true, all else is false."""

Subject = Annotated[str, AfterValidator(unquote), Path()]
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
    for name in _UNSUPPORTED:
        if body.get(name) is not None:
            raise unsupported_setting(name)
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
    try:
        return Mode(str(body.get("mode")).upper())
    except ValueError:
        raise invalid_mode() from None


def _reference(said: Any) -> Reference:
    if not isinstance(said, dict):
        raise bad_request("a reference is an object with name, subject and version")
    name, subject = _typed(said, "name", str), _typed(said, "subject", str)
    version = _typed(said, "version", int)
    if name is None or subject is None or version is None or not -1 <= version < 2**31:
        raise bad_request("a reference has a name, a subject and a version")
    return Reference(name, subject, version)


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
