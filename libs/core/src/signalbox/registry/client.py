"""The Schema Registry as the gate's port sees it: reads only, and believes only what is an answer of it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx2

from signalbox.process.own_failures import OwnFailures
from signalbox.protocol.errors import ConfigurationError, NotAnAnswer, Refusal, Unavailable
from signalbox.protocol.names import SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.registry import answers
from signalbox.registry.access import RegistryAuth, RegistrySettings, is_untrusted, untrusted
from signalbox.registry.port import SchemaVersion
from signalbox.registry.versions_read import VersionsRead
from signalbox.telemetry import logger

__all__ = ["Registry", "RegistrySettings"]

T = TypeVar("T")

_log = logger(__name__)
_ACCEPTED: Final = (
    "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json"
)
_LARGEST: Final = 8 * 1024 * 1024
"""In bytes: a schema text that we take has 128 KiB, and a list of a million versions fits."""
_AT_ONCE: Final = 8
_DENIED: Final = frozenset({401, 403, 407})


class Registry:
    """Implements :class:`signalbox.registry.port.SchemaRegistry`; reads only, never registers.

    Every method raises Unavailable when the registry can't be reached or what comes back is no answer of it.
    Refused access is a ConfigurationError as long as it never answered; later on it is waited out as well.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._http = httpx2.AsyncClient(
            base_url=settings.url,
            auth=RegistryAuth(settings),
            verify=settings.tls(),
            timeout=settings.timeout_s,
            headers={"accept": _ACCEPTED},
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=4 * _AT_ONCE),
        )
        self._answered = False
        self._own_failures = OwnFailures(others=1)
        self._read = VersionsRead()

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        """Return the schema text of ``schema_id``, or None when the registry does not know it.

        Raises:
            Refusal: ``UNKNOWN_SCHEMA``: the registry has no answer about this id, again and again, though it
                answers about others.
        """
        return await self._about_id(schema_id, "", answers.schema_of_id(schema_id))

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        """Return the subjects and versions of ``schema_id``, soft-deleted versions included.

        Raises:
            Refusal: as :meth:`schema_text` does.
        """
        return await self._about_id(schema_id, "/versions?deleted=true", answers.usages) or frozenset()

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        """Return the live versions of ``subject`` in ascending order; none when it is unknown.

        What a version is never changes, so only those are read that were not read before.
        """
        numbers = await self._asked(f"subjects/{_quoted(subject)}/versions", answers.version_numbers)
        if not numbers:
            self._read.keep(subject, {})
            return []
        newest = await self._version(subject, numbers[-1])
        known = dict(self._read.known(subject, numbers, newest))
        limit = asyncio.Semaphore(_AT_ONCE)

        async def read(number: int) -> None:
            async with limit:
                # Deleted since it was listed, it is none any more.
                if (version := await self._version(subject, number)) is not None:
                    known[number] = version

        await asyncio.gather(*(read(number) for number in numbers[:-1] if number not in known))
        self._read.keep(subject, known)
        return [known[number] for number in numbers if number in known]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        """Return the id under which ``subject`` has exactly this schema, or None."""
        body = {"schema": schema_text, "schemaType": "AVRO"}
        found = await self._asked(f"subjects/{_quoted(subject)}", answers.version_of(subject), body)
        return None if found is None else found.schema_id

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _version(self, subject: Subject, number: int) -> SchemaVersion | None:
        path = f"subjects/{_quoted(subject)}/versions/{number}"
        return await self._asked(path, answers.version_of(subject, number))

    async def _about_id(self, schema_id: SchemaId, more: str, shape: Callable[[Any], T]) -> T | None:
        if not answers.may_be_given(schema_id):  # whoever sends the message chooses all four bytes
            return None
        question = str(schema_id), more
        try:
            return await self._asked(f"schemas/ids/{schema_id}{more}", shape, question=question)
        except NotAnAnswer as error:
            # An id comes with a message, so whoever sends it chooses it. Questions about subjects are ours.
            if not self._own_failures.failed(*question):
                raise
            detail = f"the registry has no answer about schema id {schema_id}, but has about others"
            raise Refusal(Reason.UNKNOWN_SCHEMA, f"{detail}: {error.detail}") from error

    async def _asked(
        self,
        path: str,
        shape: Callable[[Any], T],
        body: dict[str, Any] | None = None,
        *,
        question: tuple[str, str] | None = None,
    ) -> T | None:
        """Return what the registry says at ``path``; None when it says that it is unknown.

        ``question`` is what is asked about, and what of it, where that is not the path.
        """
        answer = await self._sent(path, body)
        if answers.is_unknown(answer):
            said = None
        elif answer.status_code in _DENIED:
            raise self._denied(answer)
        else:
            said = answers.understood(answer, shape)
        self._answered = True
        # Whatever the question was, it shows that the registry works.
        self._own_failures.succeeded(*(question or (path, "")))
        return said

    def _denied(self, answer: httpx2.Response) -> Exception:
        _log.error("registry_refuses_access", url=self._settings.url, status=answer.status_code)
        if self._answered or answers.error_code(answer) is None:
            return answers.not_an_answer(answer, ": access is refused (SCHEMA_REGISTRY_*)")
        said = f"the registry at {self._settings.url} refuses SCHEMA_REGISTRY_*: {answer.status_code}"
        return ConfigurationError(said)

    async def _sent(self, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        # The one border where the client's errors become ours.
        url = self._settings.url
        try:
            async with asyncio.timeout(2 * self._settings.timeout_s):  # the client's own is per read
                return await self._fetched(path, body)
        except ConfigurationError as error:
            # A token or a file of ours that was fine before: somebody is at work on it.
            if not self._answered:
                raise
            raise Unavailable("registry", str(error)) from error
        except TimeoutError as error:
            raise Unavailable("registry", f"{url}: no answer in time") from error
        except (httpx2.DecodingError, httpx2.RemoteProtocolError, UnicodeError) as error:
            raise NotAnAnswer("registry", f"{url}: {type(error).__name__}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            if is_untrusted(error) and not self._answered:
                raise ConfigurationError(untrusted(url, error)) from error
            raise Unavailable("registry", f"{url}: {type(error).__name__}: {error}") from error

    async def _fetched(self, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        method = "GET" if body is None else "POST"
        async with self._http.stream(method, path, json=body) as answer:
            read = bytearray()
            async for part in answer.aiter_bytes():
                read += part
                if len(read) > _LARGEST:
                    raise NotAnAnswer("registry", f"{self._settings.url}: over {_LARGEST} bytes for {path}")
            kind = answer.headers.get("content-type")
            headers = {} if kind is None else {"content-type": kind}
            return httpx2.Response(
                answer.status_code, headers=headers, content=bytes(read), request=answer.request
            )


def _quoted(subject: Subject) -> str:
    return quote(subject, safe="")
