"""How every process reads its settings: from the environment, and its secrets from files, too.

A field of type ``SecretStr`` that is set by ``NAME`` is set by ``NAME_FILE`` as well: the path of a file that
holds nothing else, as Docker and Kubernetes mount secrets. What is set empty counts as not set.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from signalbox.protocol.errors import ConfigurationError

_FILE: Final = "_FILE"
_FIELD: Final = re.compile(r'field "(\w+)"')
_LARGEST_SECRET: Final = 64 * 1024
"""In bytes; whoever names a larger file has named the wrong one."""


class SecretFile(SecretStr):
    """A secret that stands in a file and is read whenever it is asked for: a rotated one counts at once."""

    def __init__(self, variable: str, path: Path) -> None:
        self._variable = variable
        self._path = path
        super().__init__(_read(variable, path))

    def get_secret_value(self) -> str:
        """Return what the file holds now, without the line's end.

        Raises:
            ConfigurationError: it is missing, unreadable or empty; names the variable and the path.
        """
        return _read(self._variable, self._path)


class Settings(BaseSettings):
    """Settings of the environment. A wrong one is told by its variable's name, never by its value."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    def __init__(self, **values: Any) -> None:
        """Read the environment; ``values`` go before it.

        Raises:
            ConfigurationError: a setting is wrong, or its secret's file can't be read.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "; ".join(_told(type(self), problem) for problem in error.errors(include_url=False))
            # The cause quotes what was given, which may be a secret.
            raise ConfigurationError(problems) from None
        except SettingsError as error:  # a map or a list is written as JSON
            [name] = _FIELD.findall(str(error)) or ["a setting"]
            known = name in type(self).model_fields
            variable = variable_of(type(self), name) if known else name
            raise ConfigurationError(f"{variable}: it is not JSON") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the secret files to what was given and the environment."""
        return init_settings, _SecretFiles(settings_cls), env_settings


def secret_variables(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the secrets among the fields of ``settings``: field name to variable."""
    return {
        name: variable_of(settings, name)
        for name, field in settings.model_fields.items()
        if _holds_secret(field)
    }


def variable_of(settings: type[BaseSettings], name: str) -> str:
    """Return the environment variable that sets the field ``name``."""
    field = settings.model_fields[name]
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias else []
    named = next((str(choice) for choice in reversed(choices)), None)
    return (named or f"{settings.model_config.get('env_prefix', '')}{name}").upper()


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads ``NAME_FILE`` for each field that holds a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = variable_of(self.settings_cls, field_name)
        path = os.environ.get(variable + _FILE, "")
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise ConfigurationError(f"{variable} and {variable}{_FILE} are both set: unset one of them")
        return SecretFile(variable + _FILE, Path(path)), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._found())

    def _found(self) -> Iterator[tuple[str, Any]]:
        for name in secret_variables(self.settings_cls):
            value, _, _ = self.get_field_value(self.settings_cls.model_fields[name], name)
            if value is not None:
                yield name, value


def revealed(secret: SecretStr | None) -> str | None:
    """Return a secret's value, None when it is not set."""
    return None if secret is None else secret.get_secret_value()


def require_readable(settings: BaseSettings, *names: str) -> None:
    """Check that the files that these fields of ``settings`` name can be read; a folder may be one, too.

    Raises:
        ConfigurationError: one can't; names its variable and path.
    """
    for name in names:
        path = getattr(settings, name)
        if path is not None and not Path(path).is_dir():
            _open(variable_of(type(settings), name), Path(path))


def _holds_secret(field: FieldInfo) -> bool:
    return any(
        isinstance(kind, type) and issubclass(kind, SecretStr)
        for kind in (field.annotation, *get_args(field.annotation))
    )


def _read(variable: str, path: Path) -> str:
    data = _open(variable, path)
    if len(data) > _LARGEST_SECRET:
        raise ConfigurationError(f"{variable}: {path} is no secret: it has over {_LARGEST_SECRET} bytes")
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{variable}: {path} is not text in UTF-8") from None
    if not text:
        raise ConfigurationError(f"{variable}: {path} is empty")
    return text


def _open(variable: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_SECRET + 1)
    except OSError as error:
        raise ConfigurationError(f"{variable}: {path} can't be read: {error.strerror}") from error


def _told(settings: type[BaseSettings], problem: ErrorDetails) -> str:
    place = [str(step) for step in problem["loc"]]
    if not place:
        return problem["msg"].removeprefix("Value error, ")
    variable = variable_of(settings, place[0]) if place[0] in settings.model_fields else place[0].upper()
    return ": ".join((".".join([variable, *place[1:]]), problem["msg"].removeprefix("Value error, ")))
