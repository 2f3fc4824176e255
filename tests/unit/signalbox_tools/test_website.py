import socket
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from signalbox_agent.tools import Finding, NotAvailable, ToolSettings, Website


def website(allow: str = "") -> Website:
    return Website(ToolSettings(website_fetch="on", website_allow=allow))


async def found(site: Any, path: str = "/") -> Finding:
    result = await website(site.place).fetch(site.url(path))
    assert isinstance(result, Finding), result
    return result


async def why_not(address: str | None, allow: str = "") -> str:
    result = await website(allow).fetch(address)
    assert isinstance(result, NotAvailable), result
    assert result.kind == "website"
    return result.why


@pytest.fixture
def no_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


async def test_a_page_becomes_its_text_and_title(site: Any) -> None:
    site.html(
        "<html><head><title>Analytical  Engines</title><style>p {}</style>"
        '<meta name="description" content="Engines for all."></head>'
        "<body><script>track()</script><h1>Engines &amp; more</h1><p>We compute.</p></body></html>"
    )
    finding = await found(site)
    assert finding.title == "Analytical Engines"
    assert finding.text == "Engines for all.\nEngines & more\nWe compute."
    assert finding.location == site.url()
    assert finding.kind == "website"
    assert finding.retrieved_at.tzinfo is not None


async def test_a_page_in_another_charset_is_read_as_it_says(site: Any) -> None:
    page = '<meta charset="shift_jis"><p>解析機関</p>'.encode("shift_jis")
    site.pages["/"] = Response(page, headers={"content-type": "text/html"})
    assert (await found(site)).text == "解析機関"


async def test_a_page_is_read_up_to_256_kib(site: Any) -> None:
    site.pages["/"] = Response("a" * 300_000, media_type="text/plain")
    assert (await found(site)).text == "a" * 8_000


async def test_fetching_is_off_unless_it_is_switched_on(site: Any) -> None:
    result = await Website(ToolSettings(website_allow=site.place)).fetch(site.html("<p>hello</p>"))
    assert isinstance(result, NotAvailable)
    assert "WEBSITE_FETCH" in result.why
    assert not site.seen


async def test_a_lead_without_a_website_has_nothing_to_find() -> None:
    assert await why_not(None) == "no website is known"


@pytest.mark.usefixtures("no_lookups")
@pytest.mark.parametrize(
    "host",
    [
        "acme.example",
        "www.acme.test",
        "x.invalid",
        "localhost",
        "a.localhost",
        "www.example.com",
        "printer.local",
    ],
)
async def test_reserved_names_are_refused_without_a_look_up(host: str) -> None:
    assert "reserved" in await why_not(f"https://{host}/")


@pytest.mark.usefixtures("no_lookups")
@pytest.mark.parametrize(
    "address",
    [
        "ftp://acme.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "acme.com",
        "http://",
        "https://user:pw@acme.com/",
        "https://acme.com:22/",
        "https://intranet/",
        "http://[",
    ],
)
async def test_what_is_no_public_web_address_is_refused_without_a_look_up(address: str) -> None:
    assert await why_not(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "2130706433",
    ],
)
async def test_private_addresses_are_refused(host: str) -> None:
    assert "public" in await why_not(f"http://{host}/")


async def test_a_public_name_with_a_private_address_is_refused(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def private(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", site.port))]

    monkeypatch.setattr(socket, "getaddrinfo", private)
    assert "not a public address" in await why_not("http://acme.com/")
    assert not site.seen


async def test_a_redirect_is_followed_to_an_allowed_place(site: Any) -> None:
    site.pages["/old"] = RedirectResponse("/new")
    site.html("<p>moved here</p>", "/new")
    finding = await found(site, "/old")
    assert (finding.text, finding.location) == ("moved here", site.url("/new"))


async def test_a_redirect_to_a_private_address_is_refused(site: Any) -> None:
    site.pages["/"] = RedirectResponse("http://169.254.169.254/latest/meta-data")
    assert "not a public address" in await why_not(site.url(), site.place)


async def test_a_redirect_to_another_scheme_is_refused(site: Any) -> None:
    site.pages["/"] = RedirectResponse("file:///etc/passwd")
    assert "only http" in await why_not(site.url(), site.place)


async def test_redirects_in_a_circle_end(site: Any) -> None:
    site.pages["/"] = RedirectResponse("/")
    assert "redirects" in await why_not(site.url(), site.place)
    assert len(site.seen) == 4


@pytest.mark.parametrize(
    "page",
    [
        Response("gone", 404),
        Response(b"\x89PNG", media_type="image/png"),
        Response("", media_type="text/html"),
        Response(b"\x1f\x8b", headers={"content-type": "text/html", "content-encoding": "gzip"}),
    ],
    ids=["missing", "a picture", "empty", "compressed"],
)
async def test_what_is_no_readable_page_is_not_available(site: Any, page: Response) -> None:
    site.pages["/"] = page
    assert await why_not(site.url(), site.place)


async def test_a_site_that_is_down_is_not_available(unused_tcp_port: int) -> None:
    place = f"127.0.0.1:{unused_tcp_port}"
    assert "can't be reached" in await why_not(f"http://{place}/", place)
