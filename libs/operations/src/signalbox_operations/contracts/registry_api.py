"""The Confluent Schema Registry REST API, as far as contract tooling needs it; synchronous, with time limits.

Source: Confluent *Schema Registry API Reference*, subjects, config and compatibility resources.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx2

from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import SchemaId, Subject
from signalbox.registry import answers
from signalbox.registry.access import RegistryAuth, RegistrySettings, is_untrusted, untrusted
from signalbox.registry.port import SchemaVersion

T = TypeVar("T")

_SOFT_DELETED: Final = 40406
"""A version is soft-deleted already: Confluent answers it with 404, Apicurio with 409."""
_NO_LEVEL_SET: Final = 40408
_NO_LEVEL: Final = "NONE"
_REFUSED: Final = frozenset({409, 422})
_DENIED: Final = frozenset({401, 403})
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
_TIMEOUT_S: Final = 10.0
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version under a subject."""

    version: int
    schema_id: SchemaId
    text: str


@dataclass(frozen=True, slots=True)
class RefusedByRegistry:
    """The registry does not take a schema, in its own words."""

    detail: str


class RegistryApi:
    """A connection to a registry; close it, or use it in ``with``.

    Every method raises `Unavailable` when the registry can't be reached or what comes back is no answer of
    it, and `ConfigurationError` when it denies access or refuses what is asked, in its own words.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._address = settings.url
        self._http = httpx2.Client(
            base_url=self._address,
            auth=RegistryAuth(settings),
            verify=settings.tls(),
            timeout=_TIMEOUT_S,
            headers={"content-type": _CONTENT_TYPE},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def versions(self, subject: Subject) -> list[Registered]:
        """Return the live versions of ``subject``, oldest first; none when it is unknown."""
        numbers = self._found(f"subjects/{_quoted(subject)}/versions", answers.version_numbers) or []
        return [self._version(subject, number) for number in numbers]

    def lookup(self, subject: Subject, text: str) -> Registered | None:
        """Return the version under which ``text`` is registered, None when it is not."""
        answer = self._ask("POST", f"subjects/{_quoted(subject)}", {"schema": text})
        if answers.is_unknown(answer):
            return None
        return _registered(self._understood(answer, answers.version_of(subject)))

    def register(self, subject: Subject, text: str) -> SchemaId | RefusedByRegistry:
        """Register ``text``; the same text again gives the same id."""
        answer = self._ask("POST", f"subjects/{_quoted(subject)}/versions", {"schema": text})
        if answer.status_code in _REFUSED and answers.error_code(answer) is not None:
            return RefusedByRegistry(_message(answer))
        return self._understood(answer, answers.schema_id)

    def schema_text(self, schema_id: SchemaId) -> str | None:
        """Return the schema of an id, also of one that is soft-deleted; None when it is unknown."""
        return self._found(f"schemas/ids/{schema_id}", answers.schema_of_id(schema_id))

    def delete(self, subject: Subject, version: int, *, permanently: bool = False) -> None:
        """Delete one version: softly, so that messages with its id can still be read, and then for good.

        The API wants a soft deletion before a permanent one; both are done here where needed.
        """
        path = f"subjects/{_quoted(subject)}/versions/{version}"
        answer = self._ask("DELETE", path)
        soft_deleted = answers.error_code(answer) == _SOFT_DELETED
        if not (permanently and soft_deleted):
            self._understood(answer, answers.anything)
        if permanently:
            self._understood(self._ask("DELETE", f"{path}?permanent=true"), answers.anything)

    def deleted_versions(self, subject: Subject) -> list[Registered]:
        """Return the versions of ``subject`` that are soft-deleted, oldest first.

        Apicurio lists them, but does not show them once none is live; those it does not show are left out.
        """
        path = f"subjects/{_quoted(subject)}/versions"
        listed = self._found(f"{path}?deleted=true", answers.version_numbers) or []
        alive = set(self._found(path, answers.version_numbers) or []) if listed else set()
        found = [
            self._found(f"{path}/{number}?deleted=true", answers.version_of(subject, number))
            for number in listed
            if number not in alive
        ]
        return [_registered(version) for version in found if version is not None]

    def compatibility(self, subject: Subject) -> str | None:
        """Return the level that is set for ``subject`` itself, None when it has the registry's own."""
        answer = self._ask("GET", f"config/{_quoted(subject)}")
        if _has_no_level(answer):
            return None
        return self._understood(answer, answers.field("compatibilityLevel"))

    def set_compatibility(self, subject: Subject, level: str) -> None:
        """Set the level of ``subject``; the subject need not exist yet."""
        answer = self._ask("PUT", f"config/{_quoted(subject)}", {"compatibility": level})
        # Apicurio keeps no level where NONE is meant, and answers 404 for a subject without one.
        if not (level == _NO_LEVEL and _has_no_level(answer)):
            self._understood(answer, answers.anything)

    def _version(self, subject: Subject, number: int) -> Registered:
        path = f"subjects/{_quoted(subject)}/versions/{number}"
        return _registered(self._understood(self._ask("GET", path), answers.version_of(subject, number)))

    def _found(self, path: str, shape: Callable[[Any], T]) -> T | None:
        answer = self._ask("GET", path)
        return None if answers.is_unknown(answer) else self._understood(answer, shape)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            if is_untrusted(error):
                raise ConfigurationError(untrusted(self._address, error)) from error
            raise Unavailable(
                f"schema registry {self._address}", str(error) or type(error).__name__
            ) from error
        status = answer.status_code
        if status >= _SERVER_ERROR or status == _TOO_MANY:
            raise Unavailable(f"schema registry {self._address}", f"{method} {path}: {_message(answer)}")
        if status in _DENIED and answers.error_code(answer) is None:
            raise answers.not_an_answer(answer, ": access is denied (SCHEMA_REGISTRY_*)")
        if status in _DENIED:
            raise ConfigurationError(
                f"schema registry {self._address} denies access ({status}):"
                " look at SCHEMA_REGISTRY_USER and _PASSWORD, _TOKEN or _OAUTH_*"
            )
        return answer

    def _understood(self, answer: httpx2.Response, shape: Callable[[Any], T]) -> T:
        if answers.error_code(answer) is not None:
            said = f"{answer.status_code} {_message(answer)}"
            raise ConfigurationError(f"schema registry {self._address} answered {said}")
        return answers.understood(answer, shape)


def _has_no_level(answer: httpx2.Response) -> bool:
    return answers.is_unknown(answer) or answers.error_code(answer) == _NO_LEVEL_SET


def _registered(version: SchemaVersion) -> Registered:
    return Registered(version.version, version.schema_id, version.schema_text)


def _message(answer: httpx2.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return answer.text[:200] or answer.reason_phrase
    return str(said.get("message", said)) if isinstance(said, dict) else str(said)


def _quoted(subject: Subject) -> str:
    return quote(subject, safe="")
