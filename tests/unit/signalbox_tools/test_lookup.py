import os
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from signalbox.tools import Directory, Finding, NotAvailable, ToolSettings

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


async def find(directory: Directory, company: str = "", email: str = "") -> Finding:
    found = await directory.find(company=company, email=email)
    assert isinstance(found, Finding), found
    return found


async def why_not(directory: Directory, company: str = "", email: str = "") -> str:
    found = await directory.find(company=company, email=email)
    assert isinstance(found, NotAvailable), found
    return found.why


async def test_a_company_is_found_by_the_domain_of_the_mail_address(export: Path) -> None:
    found = await find(crm(export), email="ada@ENGINES.example")
    assert found.facts == {
        "account_name": "Analytical Engines Ltd.",
        "website": "https://www.engines.example/about",
        "industry": "Computing",
        "annual_revenue": "1000000",
    }
    assert (found.kind, found.location) == ("crm", "accounts.csv, line 2")


@pytest.mark.parametrize(
    "name", ["analytical engines", "Analytical  Engines LTD", "ANALYTICAL ENGINES, Inc."]
)
async def test_a_company_is_found_by_its_name_in_any_spelling(export: Path, name: str) -> None:
    assert (await find(crm(export), company=name)).facts["industry"] == "Computing"


async def test_names_in_other_scripts_are_found(export: Path) -> None:
    assert (await find(crm(export), company="解析機関")).facts["industry"] == "Machines"
    assert (await find(crm(export), company="müller söhne")).facts["website"] == "mueller.example"


async def test_the_domain_counts_before_the_name(export: Path) -> None:
    found = await find(crm(export), company="Analytical Engines", email="x@mueller.example")
    assert found.facts["industry"] == "Tools"


async def test_a_private_mail_provider_is_no_company(tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("company,email\nAcme,someone@gmail.com\n")
    assert await why_not(crm(path), email="other@gmail.com") == "the company is not in it"


async def test_a_changed_file_is_read_again(export: Path) -> None:
    directory = crm(export)
    await find(directory, company="解析機関")
    export.write_text("company,industry\nNewcomers,Trade\n")
    os.utime(export, ns=(1, 1))
    assert (await find(directory, company="Newcomers")).facts["industry"] == "Trade"


async def test_what_is_not_set_is_not_available() -> None:
    assert await why_not(Directory.enrichment(ToolSettings())) == (
        "neither ENRICHMENT_FILE nor ENRICHMENT_URL is set"
    )


@pytest.mark.parametrize("content", [None, b"", b"a;b\n1;2\n", b"\xff\xfe\x00c", b'company\n"open'])
async def test_a_file_that_is_no_list_of_companies_is_not_available(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.csv"
    if content is not None:
        path.write_bytes(content)
    assert await why_not(crm(path), company="Acme")


async def test_an_endpoint_gets_company_and_domain_but_not_the_person(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"company": "Acme", "employees": 50, "tags": ["a"], "note": ""})
    directory = Directory.enrichment(ToolSettings(enrichment_url=site.url("/v1?key=k")))
    found = await find(directory, company="Acme & Söhne", email="ada.lovelace@acme.example")
    assert found.facts == {"company": "Acme", "employees": "50"}
    [(_, query)] = site.seen
    assert "ada" not in query
    assert "key=k" in query
    assert "domain=acme.example" in query


async def test_an_endpoint_gets_its_token_and_no_finding_shows_a_key(site: Any) -> None:
    site.pages["/v1"] = JSONResponse({"company": "Acme"})
    settings = ToolSettings(crm_url=site.url("/v1?key=k"), crm_token="crm-word")
    found = await find(Directory.crm(settings), company="Acme")
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
    ],
    ids=["unknown", "failing", "truncated", "a list", "huge"],
)
async def test_an_endpoint_that_does_not_answer_well_is_not_available(site: Any, page: Response) -> None:
    site.pages["/v1"] = page
    assert await why_not(Directory.crm(ToolSettings(crm_url=site.url("/v1"))), company="Acme")


async def test_an_endpoint_that_is_down_is_not_available(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    assert "can't be used" in await why_not(Directory.crm(ToolSettings(crm_url=url)), company="Acme")
