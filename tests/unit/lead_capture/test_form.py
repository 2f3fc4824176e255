import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from lead_capture.sql_store import SqlLeadStore


class Page(HTMLParser):
    """What a browser without JavaScript sees of a form page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.labels: set[str] = set()
        self.ids: dict[str, str] = {}
        self.described: dict[str, str] = {}
        self.tags: set[str] = set()
        self._text_for = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag in {"input", "textarea"}:
            self.values[found["name"]] = found.get("value", "")
            self.described[found["name"]] = found.get("aria-describedby", "")
        if tag == "label":
            self.labels.add(found["for"])
        if "id" in found:
            self.ids[found["id"]] = ""
            self._text_for = found["id"]

    def handle_data(self, data: str) -> None:
        if self._text_for:
            self.ids[self._text_for] += data


def posted(page: Page, good: dict[str, str], **changes: str) -> dict[str, str]:
    return {**page.values, **good, **changes}


async def test_every_field_has_a_label(client: httpx2.AsyncClient, good: dict[str, str]) -> None:
    answer = await client.get("/")
    page = Page(answer.text)
    assert page.labels == set(page.values) - {"form_token"}
    assert page.labels >= set(good)
    assert "script" not in page.tags
    assert (await client.get("/style.css")).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/", "/leads"])
@pytest.mark.parametrize("multipart", [False, True])
async def test_a_posted_form_becomes_a_lead(
    client: httpx2.AsyncClient,
    publisher: Any,
    path: str,
    multipart: bool,
    eventually: Any,
    good: dict[str, str],
) -> None:
    fields = posted(Page((await client.get("/")).text), good)
    if multipart:
        answer = await client.post(path, files={name: (None, value) for name, value in fields.items()})
    else:
        answer = await client.post(path, data=fields)
    assert answer.status_code == 202
    assert answer.headers["content-type"].startswith("text/html")
    await eventually(lambda: len(publisher.ids) == 1)
    assert publisher.ids[0] in answer.text
    assert "console" not in answer.text


async def test_the_thank_you_page_links_to_the_console_when_there_is_one(
    serve: Any, good: dict[str, str]
) -> None:
    async with serve(console_url="http://127.0.0.1:8080/") as client:
        answer = await client.post("/leads", data=posted(Page((await client.get("/")).text), good))
    (lead_id,) = re.findall(r"<code>(.*)</code>", answer.text)
    assert f'href="http://127.0.0.1:8080/leads/{lead_id}"' in answer.text


async def test_a_wrong_form_comes_back_with_its_values_and_what_is_wrong_beside_them(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    first = Page((await client.get("/")).text)
    fields = posted(first, good, email="zoe at fjordworks", company_name=" ", project_description="A\nB")
    answer = await client.post("/leads", data=fields)
    assert answer.status_code == 422
    page = Page(answer.text)
    assert page.values["name"] == good["name"]
    assert page.values["email"] == "zoe at fjordworks"
    assert page.values["form_token"] == first.values["form_token"]
    assert "A\nB" in page.ids["project_description"]
    assert page.described["email"] == "email-error"
    assert "not an e-mail address" in page.ids["email-error"]
    assert "Company is required" in page.ids["company_name-error"]
    assert page.described["name"] == ""
    assert await store.count_waiting() == 0


async def test_markup_in_a_name_is_shown_and_not_run(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    fields = {**good, "name": attack, "project_description": f"</textarea>{attack}", "email": "x"}
    answer = await client.post("/leads", data=fields)
    assert not Page(answer.text).tags & {"script", "img"}
    assert Page(answer.text).values["name"] == attack
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_a_double_click_is_one_lead_and_a_changed_form_another(
    client: httpx2.AsyncClient, publisher: Any, store: SqlLeadStore, eventually: Any, good: dict[str, str]
) -> None:
    page = Page((await client.get("/")).text)
    for name in ("Ann", "Ann", "Anne"):
        assert (await client.post("/leads", data=posted(page, good, name=name))).status_code == 202
    await eventually(lambda: len(publisher.ids) == 2)
    assert [lead.details.name for lead in publisher.published] == ["Ann", "Anne"]


async def test_unknown_and_repeated_fields_are_said_above_the_form(
    client: httpx2.AsyncClient, good: dict[str, str]
) -> None:
    answer = await client.post("/leads", data={**good, "shoe_size": "42"})
    assert answer.status_code == 422
    assert "shoe_size is not a field of a lead" in answer.text
    body = urlencode([*good.items(), ("name", "Twice")])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert "more than once" in (await client.post("/leads", content=body, headers=headers)).text


async def test_a_form_keeps_its_values_while_the_store_is_away(
    client: httpx2.AsyncClient, store: SqlLeadStore, good: dict[str, str]
) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leads")
    answer = await client.post("/", data=good)
    assert answer.status_code == 503
    assert Page(answer.text).values["name"] == good["name"]
    assert "try again" in answer.text
