"""Bodies as clients get them wrong: every one is an answer below 500, and no text is changed silently."""

import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

import httpx2
import pytest

from lead_capture.sql_store import SqlLeadStore

FORM = "application/x-www-form-urlencoded"
JSON = {"content-type": "application/json"}


async def name_of(store: SqlLeadStore, client: httpx2.AsyncClient) -> str:
    (lead,) = await store.claim(10)
    return lead.details.name


def encoded(good: dict[str, str], name: bytes, **more: str) -> bytes:
    fields = urlencode({**{key: value for key, value in good.items() if key != "name"}, **more})
    return f"{fields}&name={quote_from_bytes(name)}".encode()


@pytest.fixture
async def waiting(serve: Any, publisher: Any) -> Any:
    """A client of a service whose leads wait in the store, to be looked at."""
    publisher.away = "broker"
    async with serve() as client:
        yield client


@pytest.mark.parametrize("header", [FORM, f"{FORM}; charset=utf-8", f'{FORM}; charset="UTF-8"'])
async def test_a_form_in_another_charset_than_it_says_is_refused_by_field(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str], header: str
) -> None:
    answer = await client.post("/leads", content=encoded(good, b"Andr\xe9"), headers={"content-type": header})
    assert answer.status_code == 422
    assert "is not text in" in answer.text
    assert "Your name is not text" in answer.text
    assert "\ufffd" not in answer.text
    assert await store.count_waiting() == 0


@pytest.mark.parametrize("charset", ["windows-1252", "ISO-8859-1", "iso-8859-15"])
async def test_a_form_is_read_in_the_charset_that_it_names(
    waiting: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str], charset: str
) -> None:
    headers = {"content-type": f"{FORM}; charset={charset}"}
    answer = await waiting.post("/leads", content=encoded(good, b"Andr\xe9"), headers=headers)
    assert answer.status_code == 202
    assert await name_of(store, waiting) == "André"


async def test_a_form_may_name_its_charset_in_the_field_for_it(
    waiting: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    body = encoded(good, b"Andr\xe9 \x80", _charset_="windows-1252")
    assert (await waiting.post("/", content=body, headers={"content-type": FORM})).status_code == 202
    assert await name_of(store, waiting) == "André €"


async def test_bytes_of_utf8_that_are_not_percent_encoded_are_read_as_they_are(
    waiting: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    body = urlencode({key: value for key, value in good.items() if key != "name"}) + "&name=Zoë+山田"
    answer = await waiting.post("/leads", content=body.encode(), headers={"content-type": FORM})
    assert answer.status_code == 202
    assert await name_of(store, waiting) == "Zoë 山田"


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "shift_jis", "no-such", "rot13", "punycode", "idna"])
async def test_a_charset_that_is_not_read_is_said(
    client: httpx2.AsyncClient, good: dict[str, str], charset: str
) -> None:
    for kind in (FORM, "application/json"):
        body = json.dumps(good).encode() if kind != FORM else encoded(good, b"A")
        answer = await client.post(
            "/leads", content=body, headers={"content-type": f"{kind}; charset={charset}"}
        )
        assert answer.status_code == 415
        assert "UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize("charset", ["", "; charset=latin-1", "; charset=utf-8"])
async def test_parts_of_a_multipart_form_are_decoded_as_strictly(
    waiting: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str], charset: str
) -> None:
    def body(name: bytes) -> bytes:
        fields = {**{key: value.encode() for key, value in good.items()}, "name": name}
        parts = [
            b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (key.encode(), value)
            for key, value in fields.items()
        ]
        return b"".join(parts) + b"--b--\r\n"

    headers = {"content-type": f"multipart/form-data; boundary=b{charset}"}
    if charset != "; charset=latin-1":
        refused = await waiting.post("/leads", content=body(b"Andr\xe9"), headers=headers)
        assert refused.status_code == 422
        assert "Your name is not text in" in refused.text
        taken = await waiting.post("/leads", content=body("Zoë 山田".encode()), headers=headers)
        assert taken.status_code == 202
        assert await name_of(store, waiting) == "Zoë 山田"
    else:
        refused = await waiting.post("/leads", content=body(b"A"), headers=headers)
        assert refused.status_code == 415


@pytest.mark.parametrize("field", ["name", "company_name", "project_description", "lead_source"])
async def test_a_replacement_character_is_the_trace_of_a_wrong_charset_and_refused(
    client: httpx2.AsyncClient, good: dict[str, str], field: str
) -> None:
    answer = await client.post("/leads", json={**good, field: "Andr\ufffd"})
    assert answer.status_code == 422
    assert [bad["field"] for bad in answer.json()["errors"]] == [field]
    assert "U+FFFD" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"\ud800":1,"\ud800":2}',
        rb'{"\ud800":1}',
        rb'{"name":{"\ud800":"\udfff"}}',
        rb'{"name":"\ud800"}',
        rb'{"lead_id":"\udc00"}',
        rb'{"name":["\ud800"]}',
        rb'{"\ud800":1,"\udfff\ud800":{"\ud800":1,"\ud800":1}}',
        b'{"name":true,"email":NaN,"company_name":Infinity,"job_title":1e999,"lead_source":-0}',
        b'{"name":%s}' % (b"9" * 4000),
        b'{"name":%s}' % (b"9" * 9000),
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"[" * 200_000,
        b'{"' + b"x" * 200_000 + b'":1}',
        b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}",
        b'\xef\xbb\xbf\xef\xbb\xbf{"name":1}',
        b"\xff\xfe{\x00}\x00",
        b'{"name":"a\x00b"}',
        b'"\\ud800"',
        b'{"name":1}{"name":2}',
    ],
)
async def test_no_json_is_a_fault_of_the_server(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/leads", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 100_000
    answer.json()


async def test_a_byte_order_mark_before_json_is_no_part_of_it(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    answer = await client.post("/leads", content=b"\xef\xbb\xbf" + json.dumps(good).encode(), headers=JSON)
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/leads", "/leads/import", "/"])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "x"])
async def test_a_packed_body_is_refused(client: httpx2.AsyncClient, path: str, coding: str) -> None:
    answer = await client.post(path, content=b"\x1f\x8b", headers={**JSON, "content-encoding": coding})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=b"]
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 3_000 + b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: form-data; name*=utf-8''%ff\r\n\r\nx\r\n--b--\r\n",
        b"nonsense",
    ],
)
async def test_no_multipart_body_is_a_fault_of_the_server(
    client: httpx2.AsyncClient, kind: str, body: bytes
) -> None:
    for path in ("/leads", "/", "/leads/import"):
        answer = await client.post(path, content=body, headers={"content-type": kind})
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "body",
    [
        b"&" * 200_000,
        b"a=b&" * 10_000,
        b"%",
        b"name=%zz&%=%",
        b"=&=&==",
        b"\xff=\xff",
        b"name=%00",
        b"name=\x00",
    ],
)
async def test_no_form_is_a_fault_of_the_server(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post("/", content=body, headers={"content-type": FORM})
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "path",
    [
        "/leads/%00",
        "/leads/%ED%A0%80",
        "/leads/%FF",
        "/leads/" + "x" * 5000,
        "/leads/a%2Fb",
        "/leads/%0a",
        "/?%ff=%00",
    ],
)
async def test_no_path_is_a_fault_of_the_server(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code in {200, 404}


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_an_idempotency_key_that_is_none_is_named(
    client: httpx2.AsyncClient, good: dict[str, str], key: str
) -> None:
    answer = await client.post("/leads", json=good, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    odd = await client.post("/leads", json=good, headers={"Idempotency-Key": "é\xa0\xff".encode("latin-1")})  # type: ignore[dict-item]
    assert odd.status_code == 202
