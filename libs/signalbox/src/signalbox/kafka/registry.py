"""The Schema Registry as the gate's port sees it, over Confluent's asynchronous client."""

import asyncio
import importlib
import importlib.util
import math
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

from signalbox.errors import ConfigurationError, Unavailable
from signalbox.governance.registry import SchemaVersion
from signalbox.names import SchemaId, Subject
from signalbox.registry_access import RegistrySettings, confluent_properties, is_untrusted, untrusted

__all__ = ["Registry", "RegistrySettings"]

T = TypeVar("T")

# The client speaks through httpx2 where that is installed, else through httpx; their errors are unrelated.
_TRANSPORT_ERRORS: Final[list[type[Exception]]] = [
    importlib.import_module(name).HTTPError
    for name in ("httpx", "httpx2")
    if importlib.util.find_spec(name) is not None
]
# Rubbish in a 200 answer surfaces as one of the last three.
_UNREACHABLE: Final[tuple[type[Exception], ...]] = (
    *_TRANSPORT_ERRORS,
    OSError,
    ValueError,
    TypeError,
    KeyError,
)
_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({401, 403})


class Registry:
    """Implements :class:`signalbox.governance.registry.SchemaRegistry`; reads only, never registers."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._client = AsyncSchemaRegistryClient(_properties(settings))

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        """Return the schema text of ``schema_id``, or None when the registry does not know it."""
        schema = await self._found(self._client.get_schema(schema_id))
        return None if schema is None else schema.schema_str

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        """Return the subjects and versions of ``schema_id``, soft-deleted versions included."""
        versions = await self._found(self._client.get_schema_versions(schema_id, deleted=True))
        return frozenset((Subject(str(used.subject)), int(used.version or 0)) for used in versions or [])

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        """Return the live versions of ``subject`` in ascending order; none when it is unknown."""
        numbers = await self._found(self._client.get_versions(subject)) or []
        found = [await self._found(self._client.get_version(subject, number)) for number in sorted(numbers)]
        return [
            SchemaVersion(
                subject,
                int(version.version or 0),
                SchemaId(int(version.schema_id or 0)),
                str(version.schema.schema_str),
            )
            for version in found
            if version is not None
        ]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        """Return the id under which ``subject`` has exactly this schema, or None."""
        schema = Schema(schema_text, "AVRO")
        registered = await self._found(self._client.lookup_schema(subject, schema))
        return None if registered is None else SchemaId(int(registered.schema_id or 0))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _found(self, answer: Awaitable[T]) -> T | None:
        # The one border where the client's errors become ours: unknown, unreachable, or refused.
        try:
            return await answer
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return None
            if error.http_status_code in _REFUSED:
                detail = f"the registry at {self._settings.url} refuses SCHEMA_REGISTRY_*: {error}"
                raise ConfigurationError(detail) from error
            raise Unavailable("registry", f"{self._settings.url} answered {error}") from error
        except _UNREACHABLE as error:
            if is_untrusted(error):
                raise ConfigurationError(untrusted(self._settings.url, error)) from error
            raise Unavailable("registry", f"{self._settings.url}: {type(error).__name__}: {error}") from error


def _properties(settings: RegistrySettings) -> dict[str, Any]:
    properties = confluent_properties(settings) | {
        "url": settings.url,
        "timeout": math.ceil(settings.timeout_s),  # the client's own is unbounded
        "max.retries": 0,  # the caller waits with backoff, and says so in its readiness
        "cache.latest.ttl.sec": 1,
    }
    if (bearer := settings.bearer) is not None:
        # The client's own token fetcher trusts no authority of ours, and reads no file.
        async def fields(_: dict[str, Any]) -> dict[str, str]:
            return await asyncio.to_thread(bearer.fields)

        properties |= {
            "bearer.auth.credentials.source": "CUSTOM",
            "bearer.auth.custom.provider.function": fields,
            "bearer.auth.custom.provider.config": {},
        }
    return properties
