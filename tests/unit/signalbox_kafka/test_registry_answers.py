"""Only a well-formed answer of the registry is an answer: all else is a bad moment, and never a verdict."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from http_answers import Asked, answering, page, said, told
from memory_registry import headers, record, sdr_admission
from signalbox.avro import Limits
from signalbox.gate import Accepted, Contracts, Gate, Rejected
from signalbox.gate.schemas import WriterSchemas
from signalbox.protocol.errors import ConfigurationError, NotAnAnswer, Unavailable
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_operations.contracts.registry_api import RegistryApi

S = Subject("sdr.LeadScored")
SEVEN = SchemaId(7)
TEXT = json.dumps(
    {"type": "record", "name": "LeadScored", "namespace": "sdr", "fields": [{"name": "a", "type": "int"}]}
)
VERSION = {"subject": S, "version": 1, "id": 7, "schema": TEXT}
MESSAGE = record(b"\0\0\0\0\7\2", headers("sdr.LeadScored"))

GOOD: dict[str, bytes] = {
    "/schemas/ids/7": told(200, {"schema": TEXT}),
    "/schemas/ids/7/versions?deleted=true": told(200, [{"subject": S, "version": 1}]),
    f"/subjects/{S}/versions": told(200, [1]),
    f"/subjects/{S}/versions/1": told(200, VERSION),
}

NO_ANSWERS: dict[str, bytes | None] = {
    "a 404 page": page(404),
    "a 200 page": page(200),
    "a 502 page": page(502),
    "a 403 page": page(403),
    "a 407 page": page(407),
    "404 in JSON without a code": told(404, {"message": "no route"}),
    "404 with HTTP's own code": told(404, {"error_code": 404, "message": "HTTP 404 Not Found"}),
    "404 with a code that is text": told(404, {"error_code": "40403"}),
    "404 with a code of another status": told(404, {"error_code": 50001}),
    "404 with the code in HTML": said(404, '{"error_code": 40403}', "text/html"),
    "404 without a content type": said(404, '{"error_code": 40403}', None),
    "404 that is a list": told(404, [40403]),
    "400 with a code of unknown": told(400, {"error_code": 40403}),
    "500": told(500, {"error_code": 50001, "message": "store"}),
    "429": told(429, {"error_code": 42901}),
    "200 with an error": told(200, {"error_code": 40403, "message": "Schema not found"}),
    "204": said(204, b"", None),
    "an empty body": said(200),
    "null": said(200, "null"),
    "a number": said(200, "7"),
    "a text": said(200, '"sdr.LeadScored"'),
    "an empty list": said(200, "[]"),
    "an empty object": said(200, "{}"),
    "JSON cut short": said(200, json.dumps(VERSION)[:40]),
    "no JSON": said(200, b"\xff\xfe\x00"),
    "JSON as text": said(200, json.dumps(VERSION), "text/plain"),
    "a login page": said(302, "", None, location="/login"),
    "nesting": said(200, b"[" * 100_000),
    "gzip that is none": said(200, b"not gzip", content_encoding="gzip"),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a hang-up": None,
    "more bytes than came": said(200, b"{}", content_length="200"),
}
"""What says nothing, whatever was asked."""

WRONG_SHAPES: dict[str, tuple[str, Any]] = {
    "a text that is no schema": ("/schemas/ids/7", {"schema": "<html>"}),
    "a text that was cut": ("/schemas/ids/7", {"schema": TEXT[:30]}),
    "a schema that is an object": ("/schemas/ids/7", {"schema": json.loads(TEXT)}),
    "an object that is no schema": ("/schemas/ids/7", {"schema": '{"hello": "world"}'}),
    "another id's schema": ("/schemas/ids/7", {"schema": TEXT, "id": 8}),
    "an unheard-of kind": ("/schemas/ids/7", {"schema": TEXT, "schemaType": "XML"}),
    "a kind that is a number": ("/schemas/ids/7", {"schema": TEXT, "schemaType": 7}),
    "references that are no list": ("/schemas/ids/7", {"schema": TEXT, "references": "none"}),
    "usages that are names": ("/schemas/ids/7/versions?deleted=true", [S]),
    "usages without a version": ("/schemas/ids/7/versions?deleted=true", [{"subject": S}]),
    "usages of version 0": ("/schemas/ids/7/versions?deleted=true", [{"subject": S, "version": 0}]),
    "a known schema that is used nowhere": ("/schemas/ids/7/versions?deleted=true", []),
    "versions that are texts": (f"/subjects/{S}/versions", ["1"]),
    "versions that are true": (f"/subjects/{S}/versions", [True]),
    "versions that are floats": (f"/subjects/{S}/versions", [1.0]),
    "a version below 1": (f"/subjects/{S}/versions", [-1, 1]),
    "an object of versions": (f"/subjects/{S}/versions", {"versions": [1]}),
    "another subject's version": (f"/subjects/{S}/versions/1", {**VERSION, "subject": "sdr.Lead"}),
    "another version": (f"/subjects/{S}/versions/1", {**VERSION, "version": 2}),
    "a version without an id": (f"/subjects/{S}/versions/1", {**VERSION, "id": None}),
    "a version whose id is a text": (f"/subjects/{S}/versions/1", {**VERSION, "id": "7"}),
    "a version without a schema": (f"/subjects/{S}/versions/1", {**VERSION, "schema": ""}),
}


def served(changes: dict[str, bytes | None]) -> Callable[[Asked], bytes | None]:
    return lambda asked: {**GOOD, **changes}.get(asked.path, told(404, {"error_code": 40401}))


def a_gate(registry: Registry) -> Gate:
    schemas = WriterSchemas(registry, Limits(), ask_again_s=0, unknown_for_s=0, usages_for_s=0)
    return Gate(registry, Contracts(registry), sdr_admission(), schemas=schemas)


async def test_an_answer_of_the_registry_is_taken() -> None:
    async with answering(served({})) as server:
        registry = Registry(RegistrySettings(url=server.url))
        assert await registry.schema_text(SEVEN) == TEXT
        assert await registry.usages(SEVEN) == {(S, 1)}
        assert [one.schema_id for one in await registry.versions(S)] == [7]
        assert isinstance(await a_gate(registry).check(MESSAGE), Accepted)
        await registry.close()


@pytest.mark.parametrize("code", [40401, 40402, 40403])
async def test_what_the_registry_itself_calls_unknown_is_unknown(code: int) -> None:
    unknown = told(404, {"error_code": code, "message": "not found"})
    async with answering(lambda _: unknown) as server:
        registry = Registry(RegistrySettings(url=server.url))
        assert await registry.schema_text(SEVEN) is None
        assert await registry.usages(SEVEN) == frozenset()
        assert await registry.versions(S) == []
        assert await registry.lookup(S, TEXT) is None
        verdict = await a_gate(registry).check(MESSAGE)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.UNKNOWN_SCHEMA
        await registry.close()


@pytest.mark.parametrize("number", [0, 2**31, 2**32 - 1])
async def test_an_id_that_no_registry_gives_is_unknown_and_never_asked_for(number: int) -> None:
    # A registry answers these as it answers a page that it does not have, which would be waited for.
    no_page = told(404, {"error_code": 404, "message": "HTTP 404 Not Found"})
    async with answering(lambda _: no_page) as server:
        registry = Registry(RegistrySettings(url=server.url))
        bad = record(b"\0" + number.to_bytes(4, "big") + b"\2", headers("sdr.LeadScored"))
        verdict = await a_gate(registry).check(bad)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.UNKNOWN_SCHEMA
        assert await registry.usages(SchemaId(number)) == frozenset()
        assert server.asked == []
        await registry.close()


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_answer_is_a_bad_moment_whatever_was_asked(what: str) -> None:
    async with answering(lambda _: NO_ANSWERS[what]) as server:
        registry = Registry(RegistrySettings(url=server.url, timeout_s=2))
        for ask in (
            registry.schema_text(SEVEN),
            registry.usages(SEVEN),
            registry.versions(S),
            registry.lookup(S, TEXT),
            a_gate(registry).check(MESSAGE),
        ):
            with pytest.raises(Unavailable):
                await ask
        await registry.close()


@pytest.mark.parametrize("what", WRONG_SHAPES)
async def test_an_answer_of_a_wrong_shape_is_a_bad_moment_and_a_good_message_passes_after_it(
    what: str,
) -> None:
    path, shape = WRONG_SHAPES[what]
    wrong: dict[str, bytes | None] = {path: told(200, shape)}
    async with answering(served(wrong)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        gate = a_gate(registry)
        with pytest.raises(NotAnAnswer):
            await gate.check(MESSAGE)
        wrong.clear()
        assert isinstance(await gate.check(MESSAGE), Accepted)
        await registry.close()


@pytest.mark.parametrize("what", [*NO_ANSWERS, *WRONG_SHAPES])
async def test_what_is_in_force_stays_in_force_while_the_registry_talks_nonsense(what: str) -> None:
    wrong: dict[str, bytes | None] = {}
    async with answering(served(wrong)) as server:
        registry = Registry(RegistrySettings(url=server.url, timeout_s=2))
        gate = a_gate(registry)
        assert isinstance(await gate.check(MESSAGE), Accepted)
        if what in NO_ANSWERS:
            wrong |= dict.fromkeys(GOOD, NO_ANSWERS[what])
        else:
            path, shape = WRONG_SHAPES[what]
            wrong[path] = told(200, shape)
        with suppress(Unavailable):
            await gate.contracts.refresh()
        assert isinstance(await gate.check(MESSAGE), Accepted)
        await registry.close()


@pytest.mark.parametrize("kind", ["PROTOBUF", "JSON"])
async def test_a_schema_of_another_kind_is_an_answer_and_the_messages_fault(kind: str) -> None:
    other: dict[str, bytes | None] = {"/schemas/ids/7": told(200, {"schema": TEXT, "schemaType": kind})}
    async with answering(served(other)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        verdict = await a_gate(registry).check(MESSAGE)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.UNSAFE_SCHEMA
        await registry.close()


async def test_a_version_of_another_kind_is_passed_over_and_the_one_before_it_holds() -> None:
    alerts: list[int] = []
    other: dict[str, bytes | None] = {
        f"/subjects/{S}/versions": told(200, [1, 2]),
        f"/subjects/{S}/versions/2": told(200, {**VERSION, "version": 2, "id": 8, "schemaType": "JSON"}),
    }
    async with answering(served(other)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        contract = await Contracts(registry, alert=lambda _, number, __: alerts.append(number)).get(
            RecordType(S)
        )
        assert contract is not None
        assert (contract.version, alerts) == (1, [2])
        await registry.close()


async def test_access_that_is_refused_later_on_is_waited_out() -> None:
    refusing: dict[str, bytes | None] = {}
    async with answering(served(refusing)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        refusing |= dict.fromkeys(GOOD, told(401, {"error_code": 401, "message": "Unauthorized"}))
        with pytest.raises(ConfigurationError, match="SCHEMA_REGISTRY"):
            await registry.schema_text(SEVEN)
        refusing.clear()
        assert await registry.schema_text(SEVEN) == TEXT
        refusing |= dict.fromkeys(GOOD, told(401, {"error_code": 401, "message": "Unauthorized"}))
        with pytest.raises(Unavailable, match="SCHEMA_REGISTRY"):
            await registry.schema_text(SEVEN)
        await registry.close()


async def test_an_id_that_alone_has_no_answer_is_dead_lettered_when_others_have_one() -> None:
    broken: dict[str, bytes | None] = {"/schemas/ids/9": told(500, {"error_code": 50001, "message": "row 9"})}
    bad = record(b"\0\0\0\0\x09\2", headers("sdr.LeadScored"))
    async with answering(served(broken)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        gate = a_gate(registry)
        assert isinstance(await gate.check(MESSAGE), Accepted)
        waited = 0
        while True:
            try:
                verdict = await gate.check(bad)
                break
            except Unavailable:
                waited += 1
                await gate.contracts.refresh()
        assert isinstance(verdict, Rejected)
        assert (verdict.reason, waited >= 7) == (Reason.UNKNOWN_SCHEMA, True)
        await registry.close()


async def test_an_id_is_waited_for_as_long_as_nothing_else_is_answered_either() -> None:
    async with answering(lambda _: page(502)) as server:
        registry = Registry(RegistrySettings(url=server.url))
        for _ in range(50):
            with pytest.raises(Unavailable):
                await registry.schema_text(SEVEN)
            with pytest.raises(Unavailable):
                await registry.versions(S)
        await registry.close()


async def test_a_version_is_read_once_and_only_new_ones_later() -> None:
    count = 40
    versions = {
        f"/subjects/{S}/versions/{number}": told(200, {**VERSION, "version": number, "id": 100 + number})
        for number in range(1, 100)
    }
    listed: list[int] = list(range(1, count + 1))

    def answer(asked: Asked) -> bytes | None:
        return versions.get(asked.path) or told(200, listed)

    async with answering(answer) as server:
        registry = Registry(RegistrySettings(url=server.url))
        assert [one.version for one in await registry.versions(S)] == listed
        assert len(server.asked) == count + 1
        server.asked.clear()
        await registry.versions(S)
        assert len(server.asked) == 2  # the list, and the newest: had the subject been made again, it differs
        listed.append(count + 1)
        server.asked.clear()
        assert len(await registry.versions(S)) == count + 1
        assert len(server.asked) == 2
        await registry.close()


async def test_a_subject_that_was_deleted_for_good_and_made_again_is_read_again() -> None:
    made = {1: 7, 2: 8}

    def answer(asked: Asked) -> bytes | None:
        last = asked.path.rpartition("/")[2]
        if last == "versions":
            return told(200, list(made))
        return told(200, {**VERSION, "version": int(last), "id": made[int(last)]})

    async with answering(answer) as server:
        registry = Registry(RegistrySettings(url=server.url))
        assert [one.schema_id for one in await registry.versions(S)] == [7, 8]
        made |= {1: 17, 2: 18}
        assert [one.schema_id for one in await registry.versions(S)] == [17, 18]
        await registry.close()


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_the_command_takes_nothing_else_for_an_answer_either(what: str) -> None:
    def ask_all(url: str) -> None:
        with RegistryApi(RegistrySettings(url=url)) as api:
            for call in (
                lambda: api.versions(S),
                lambda: api.lookup(S, TEXT),
                lambda: api.schema_text(SEVEN),
                lambda: api.deleted_versions(S),
                lambda: api.compatibility(S),
                lambda: api.register(S, TEXT),
            ):
                with pytest.raises((Unavailable, ConfigurationError)):
                    call()

    async with answering(lambda _: NO_ANSWERS[what]) as server:
        await asyncio.to_thread(ask_all, server.url)


async def test_a_schema_that_the_registry_took_and_we_do_not_is_an_answer_with_a_verdict() -> None:
    deep = '{"type": "array", "items": ' * 300 + '"int"' + "}" * 300
    async with answering(served({"/schemas/ids/7": told(200, {"schema": deep})})) as server:
        registry = Registry(RegistrySettings(url=server.url))
        verdict = await a_gate(registry).check(MESSAGE)
        assert isinstance(verdict, Rejected)
        assert verdict.reason is Reason.UNSAFE_SCHEMA
        await registry.close()


@pytest.mark.parametrize(
    "token",
    [page(200), page(403), page(502), said(200), told(200, []), told(200, {"access_token": {"a": 1}})],
    ids=["200 page", "403 page", "502 page", "nothing", "a list", "no text"],
)
async def test_what_is_no_token_is_a_bad_moment_too(token: bytes) -> None:
    async with answering(lambda asked: token if asked.path == "/token" else served({})(asked)) as server:
        own = {"oauth_client_id": "ada", "oauth_client_secret": "s", "oauth_token_url": f"{server.url}/token"}
        registry = Registry(RegistrySettings.model_validate({"url": server.url, **own}))
        with pytest.raises(Unavailable, match="access_token"):
            await registry.schema_text(SEVEN)
        await registry.close()


@pytest.mark.parametrize("lasts", [None, "never", "NaN", -1, 1e308, [3600]])
async def test_a_token_that_does_not_say_how_long_it_lasts_is_taken(lasts: Any) -> None:
    token = told(200, {"access_token": "t", "expires_in": lasts})
    async with answering(lambda asked: token if asked.path == "/token" else served({})(asked)) as server:
        own = {"oauth_client_id": "ada", "oauth_client_secret": "s", "oauth_token_url": f"{server.url}/token"}
        registry = Registry(RegistrySettings.model_validate({"url": server.url, **own}))
        assert await registry.schema_text(SEVEN) == TEXT
        await registry.close()
