import os
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from signalbox_agent.tools import Directory, Finding, NotAvailable, ToolSettings

CSV = (
    "\ufeffAccount Name,Website,Industry,Annual Revenue\n"
    "Analytical Engines Ltd.,https://www.engines.example/about,Computing,1000000\n"
    '"Müller, Söhne GmbH",mueller.example,Tools,\n'
    "解析機関,kikai.example,Machines,5\n"
)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def crm(path: Path) -> Directory:
    return Directory.crm(ToolSettings(crm_file=path))


async def find(directory: Directory, email: str) -> Finding:
    found = await directory.find(email=email)
    assert isinstance(found, Finding), found
    return found


async def why_not(directory: Directory, email: str = "x@acme.example") -> str:
    found = await directory.find(email=email)
    assert isinstance(found, NotAvailable), found
    return found.why


async def test_a_company_is_found_by_the_domain_of_the_mail_address(export: Path) -> None:
    found = await find(crm(export), "ada@ENGINES.example")
    assert found.facts == {"account_name": "Analytical Engines Ltd.", "industry": "Computing"}
    assert (found.kind, found.location) == ("crm", "accounts.csv, line 2")


@pytest.mark.parametrize(
    "email",
    [
        "eve@evil.test",
        "eve@engines.example.evil.test",
        "eve@notengines.example",
        "eve@mail.engines.example",
        "eve@example",
        "engines.example",
        "@engines.example",
        '"eve@engines.example"@evil.test',
        "eve@evil.test@engines.example",
        "eve@evil.test,@engines.example",
        "eve@engines.example/.evil.test",
        "eve@engines.example#.evil.test",
        "eve@\u0435ngines.example",
        "eve%engines.example@evil.test",
        "",
    ],
)
async def test_nobody_else_is_told_anything_of_it(export: Path, email: str) -> None:
    assert await why_not(crm(export), email)


async def test_domains_in_other_scripts_are_found_in_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("company,domain,industry\nBücher,bücher.example,Books\n", encoding="utf-8")
    for email in ("x@bücher.example", "x@BÜCHER.example", "x@xn--bcher-kva.example"):
        assert (await find(crm(path), email)).facts["industry"] == "Books"


async def test_a_domain_of_two_companies_is_no_proof(tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("company,domain,industry\nA,shared.example,Books\nB,shared.example,Tools\n")
    assert await why_not(crm(path), "x@shared.example") == "the company is not in it"


INTERNAL = {
    "status": "customer",
    "last_contact": "2026-02-14",
    "notes": "pays late",
    "owner": "Tom",
    "revenue": 5,
    "Annual Revenue": "9",
    "deal_stage": "lost",
    "email": "tom@acme.example",
    "phone": "+49 30 1234567",
    "internal_notes": "x",
    "Notes": "y",
}


async def test_internal_fields_of_a_file_are_never_told(tmp_path: Path) -> None:
    path = tmp_path / "crm.csv"
    header, row = ",".join(INTERNAL), ",".join(str(value) for value in INTERNAL.values())
    path.write_text(f"company,domain,industry,{header}\nAcme,acme.example,Tools,{row}\n")
    found = await find(crm(path), "x@acme.example")
    assert found.facts == {"company": "Acme", "industry": "Tools"}
    assert found.text == "company: Acme\nindustry: Tools"


@pytest.mark.parametrize("kind", ["crm", "enrichment", "social"])
async def test_internal_fields_of_an_endpoint_are_never_told(site: Any, kind: str) -> None:
    site.pages["/v1"] = JSONResponse({**INTERNAL, "Company": "Acme", "industry": "Tools", "n": {"notes": 1}})
    directory: Directory = getattr(Directory, kind)(ToolSettings(**{f"{kind}_url": site.url("/v1")}))
    found = await find(directory, "x@acme.example")
    assert found.facts == {"company": "Acme", "industry": "Tools"}


async def test_which_facts_may_be_told_is_a_setting(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"Plan": "gold", "industry": "Tools"})
    settings = ToolSettings(crm_url=site.url("/v1"), facts_told=" plan ,, x")
    assert (await find(Directory.crm(settings), "x@acme.example")).facts == {"plan": "gold"}


async def test_an_endpoint_that_answers_with_another_company_tells_nothing(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"company": "Ferrum", "domain": "ferrum.example", "industry": "Steel"})
    directory = Directory.crm(ToolSettings(crm_url=site.url("/v1")))
    assert await why_not(directory, "x@evil.test") == "answered with another company"


async def test_an_endpoint_is_not_asked_for_people_of_no_company(site: Any) -> None:
    directory = Directory.crm(ToolSettings(crm_url=site.url("/v1")))
    for email in ("x@gmail.com", "x@mail.yahoo.co.uk", "x@mailinator.com", "x@sub.yopmail.com", "nobody"):
        assert await why_not(directory, email) == "the mail address belongs to no company"
    assert not site.seen


async def test_a_private_mail_provider_is_no_company(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("company,email\nAcme,someone@gmail.com\n")
    assert await why_not(crm(path), email="other@gmail.com") == "the mail address belongs to no company"


async def test_a_changed_file_is_read_again(export: Path) -> None:
    directory = crm(export)
    await find(directory, "x@kikai.example")
    export.write_text("company,domain,industry\nNewcomers,new.example,Trade\n")
    os.utime(export, ns=(1, 1))
    assert (await find(directory, "x@new.example")).facts["industry"] == "Trade"


async def test_what_is_not_set_is_not_available() -> None:
    assert await why_not(Directory.enrichment(ToolSettings())) == (
        "neither ENRICHMENT_FILE nor ENRICHMENT_URL is set"
    )


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"a;b\n1;2\n",
        b"company\nAcme\n",
        b"\xff\xfe\x00c",
        b'domain\n"open',
        b"domain\n\0x",
        b"domain\n" + b"x" * 200_000,
    ],
)
async def test_a_file_that_is_no_list_of_companies_is_not_available(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.csv"
    if content is not None:
        path.write_bytes(content)
    assert await why_not(crm(path))


async def test_an_endpoint_gets_the_domain_but_neither_person_nor_name(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"company": "Acme", "employees": 50, "tags": ["a"], "note": ""})
    directory = Directory.enrichment(ToolSettings(enrichment_url=site.url("/v1?key=k")))
    found = await find(directory, "ada.lovelace@acme.example")
    assert found.facts == {"company": "Acme", "employees": "50"}
    [(_, query)] = site.seen
    assert "ada" not in query
    assert "key=k" in query
    assert "domain=acme.example" in query


async def test_an_endpoint_gets_its_token_and_no_finding_shows_a_key(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"company": "Acme"})
    settings = ToolSettings(crm_url=site.url("/v1?key=k"), crm_token="crm-word")
    found = await find(Directory.crm(settings), "x@acme.example")
    assert site.authorizations == ["Bearer crm-word"]
    assert found.location == site.url("/v1")


@pytest.mark.parametrize(
    "page",
    [
        Response("no", 404),
        Response("oops", 500),
        Response("{", media_type="application/json"),
        JSONResponse([1]),
        Response("x" * 300_000),
        Response("[" * 100_000, media_type="application/json"),
        Response('{"a":' * 50_000, media_type="application/json"),
        Response('{"a": ' + "9" * 5_000 + "}", media_type="application/json"),
        Response(b"\xff\xfe\x00", media_type="application/json"),
        Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}),
        Response("null", media_type="application/json"),
    ],
    ids=[
        "unknown",
        "failing",
        "truncated",
        "a list",
        "huge",
        "deep",
        "deeper",
        "a number of 5,000 digits",
        "no UTF-8",
        "compressed",
        "null",
    ],
)
async def test_an_endpoint_that_does_not_answer_well_is_not_available(site: Any, page: Response) -> None:
    site.pages["/v1"] = page
    assert await why_not(Directory.crm(ToolSettings(crm_url=site.url("/v1"))))


async def test_an_endpoint_that_is_down_is_not_available(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    assert "can't be used" in await why_not(Directory.crm(ToolSettings(crm_url=url)))


async def test_values_that_are_no_facts_are_left_out(site: Any) -> None:
    values = (
        '{"industry": NaN, "employees": 1e999, "size": "\\ud800 a\\u202eb", "city": ["x"], '
        '"country": true, "founded": 1e3, "company": "see evil.example", "sector": %s}'
    )
    site.pages["/v1"] = Response(values % ("9" * 4_000), media_type="application/json")
    found = await find(Directory.crm(ToolSettings(crm_url=site.url("/v1"))), "x@acme.example")
    assert found.facts == {"size": "ab", "country": "true", "founded": "1000"}
