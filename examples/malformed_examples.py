"""Load the examples of what the gate refuses, and make each into the record to send.

A file names schemas by subject, since ids differ from registry to registry; ``examples/malformed/README.md``
describes the format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import httpx2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from signalbox.avro import encode, parse
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft
from signalbox.registry.access import RegistryAuth, RegistrySettings

_FRAME: int = 5
_NO_LEVEL = "NONE"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hex(_Part):
    """Bytes as they are; ``repeat`` times."""

    hex: str
    repeat: int = 1

    def bytes(self) -> bytes:
        return bytes.fromhex(self.hex) * self.repeat


class Text(_Part):
    """A text in UTF-8, ``repeat`` times."""

    text: str
    repeat: int = 1

    def bytes(self) -> bytes:
        return self.text.encode() * self.repeat


class IdOf(_Part):
    """The four bytes of a schema id: of what the file registers, or of a subject's newest version."""

    schema_id: str


class AvroOf(_Part):
    """A datum, encoded with its subject's newest version; ``cut`` bytes fewer, or ``patch`` put ``at`` -n."""

    avro: str
    datum: dict[str, Any]
    cut: int = 0
    at: int = -1
    patch: str = ""

    def altered(self, body: bytes) -> bytes:
        patch = bytes.fromhex(self.patch)
        patched = bytearray(body)
        if patch:
            start = len(body) + self.at
            patched[start : start + len(patch)] = patch
        return bytes(patched[: len(body) - self.cut])


def _as_bytes(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _as_part(value: Any) -> Any:
    return {"hex": value} if isinstance(value, str) else value


Bytes: TypeAlias = Annotated[Hex | Text | None, BeforeValidator(_as_bytes)]
Part: TypeAlias = Annotated[Hex | Text | IdOf | AvroOf, BeforeValidator(_as_part)]


class Expected(_Part):
    """The verdict: the reason, and the field where the gate names one."""

    reason: Reason
    field: str = ""


class Registration(_Part):
    """A schema that must be registered first, compatible or not; soft-deleted again if it must not stay."""

    name: str
    subject: str
    schema_: dict[str, Any] = Field(alias="schema")
    soft_delete: bool = False


class _File(_Part):
    why: str
    expected: Expected
    topic: Literal["agent_messages", "incoming_leads"] = "agent_messages"
    key: Bytes
    headers: tuple[tuple[str, Bytes], ...]
    value: tuple[Part, ...] | None
    register_: tuple[Registration, ...] = Field(default=(), alias="register")


@dataclass(frozen=True, slots=True)
class MalformedExample:
    """One file: what is wrong with the record, and the verdict it gets."""

    name: str
    why: str
    expected: Expected
    _file: _File

    async def draft(self, registry_url: str) -> Draft:
        """Make the record, with ids as the registry at ``registry_url`` has them; registers what it needs.

        Raises:
            Unavailable: the registry can't be reached, or refused.
        """
        try:
            registry = RegistrySettings(url=registry_url)
            own: Any = {"auth": RegistryAuth(registry), "verify": registry.tls()}
            async with httpx2.AsyncClient(base_url=registry_url, timeout=10, **own) as client:
                return await self.draft_by(_Api(client))
        except httpx2.HTTPError as error:
            raise Unavailable("registry", f"{self.name}: {error}") from error

    async def draft_by(self, api: "_Api") -> Draft:
        """Make the record with another registry, behind the same few calls."""
        return await _Drafting(api, self._file).draft()


def load(directory: Path) -> list[MalformedExample]:
    """Load every ``*.json`` of ``directory``, by name.

    Raises:
        ConfigurationError: a file is not in the format.
    """
    return [_loaded(path) for path in sorted(directory.glob("*.json"))]


def _loaded(path: Path) -> MalformedExample:
    try:
        file = _File.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return MalformedExample(path.stem, file.why, file.expected, file)


class _Drafting:
    def __init__(self, api: "_Api", file: _File) -> None:
        self._api = api
        self._file = file

    async def draft(self) -> Draft:
        registered = {each.name: await self._register(each) for each in self._file.register_}
        value = None
        if self._file.value is not None:
            value = b"".join([await self._bytes(part, registered) for part in self._file.value])
        headers = tuple((name, of.bytes() if of else None) for name, of in self._file.headers)
        key = self._file.key
        return Draft(self._file.topic, key.bytes() if key else None, value, headers)

    async def _bytes(self, part: Part, registered: Mapping[str, SchemaId]) -> bytes:
        match part:
            case IdOf(schema_id=name) if name in registered:
                return registered[name].to_bytes(4, "big")
            case IdOf(schema_id=subject):
                return (await self._api.newest(subject))[0].to_bytes(4, "big")
            case AvroOf():
                schema_id, text = await self._api.newest(part.avro)
                return part.altered(encode(schema_id, parse(text), part.datum)[_FRAME:])
            case _:
                return part.bytes()

    async def _register(self, wanted: Registration) -> SchemaId:
        """Register a schema that its subject's compatibility level would refuse: the level is put back."""
        level = await self._api.level(wanted.subject)
        await self._api.set_level(wanted.subject, _NO_LEVEL)
        try:
            schema_id, version = await self._api.register(wanted.subject, json.dumps(wanted.schema_))
            if wanted.soft_delete:
                await self._api.soft_delete(wanted.subject, version)
        finally:
            await self._api.set_level(wanted.subject, level)
        return schema_id


class _Api:
    """The few calls of the Confluent REST API that sending an example takes."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def newest(self, subject: str) -> tuple[SchemaId, str]:
        found = await self._call("GET", f"/subjects/{subject}/versions/latest")
        return SchemaId(found["id"]), str(found["schema"])

    async def register(self, subject: str, text: str) -> tuple[SchemaId, int]:
        await self._call("POST", f"/subjects/{subject}/versions", {"schema": text})
        found = await self._call("POST", f"/subjects/{subject}", {"schema": text})
        return SchemaId(found["id"]), int(found["version"])

    async def soft_delete(self, subject: str, version: int) -> None:
        await self._call("DELETE", f"/subjects/{subject}/versions/{version}")

    async def level(self, subject: str) -> str | None:
        """Return the subject's own compatibility level; None when it has none."""
        answer = await self._client.get(f"/config/{subject}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        return str(answer.raise_for_status().json()["compatibilityLevel"])

    async def set_level(self, subject: str, level: str | None) -> None:
        body = {"compatibility": level} if level else None
        answer = await self._client.request("PUT" if level else "DELETE", f"/config/{subject}", json=body)
        # Apicurio keeps no level where NONE is meant, and so has none to change or to drop.
        if answer.status_code != HTTPStatus.NOT_FOUND or level not in {None, _NO_LEVEL}:
            answer.raise_for_status()

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = await self._client.request(method, path, json=body)
        return answer.raise_for_status().json()
