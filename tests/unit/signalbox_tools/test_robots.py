"""A page is fetched only where its site's robots.txt allows it."""

from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from signalbox_agent.tools import Finding, NotAvailable, ToolSettings, Website
from signalbox_agent.tools.robots import may_fetch

PAGE = "https://ferrum.example/about/us"


def rules(text: str, page: str = PAGE) -> bool:
    return may_fetch(200, text.encode(), page)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /about", False),
        ("User-agent: *\nDisallow: /private", True),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: *\nDisallow: /\nAllow: /about", True),
        ("User-agent: another\nDisallow: /", True),
        ("User-agent: signalbox\nDisallow: /\n\nUser-agent: *\nAllow: /", False),
        ("User-agent: Signalbox\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: *\nDisallow: /*us$", False),
        ("User-agent: *\nDisallow: /*/nowhere", True),
        ("<html>no rules at all</html>", True),
        ("", True),
        ("\x00\ufffd: \u2028 / *", True),
    ],
)
def test_a_page_is_allowed_or_not_by_the_rules_for_us(text: str, allowed: bool) -> None:
    assert rules(text) is allowed


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False)])
def test_a_site_without_rules_allows_all_and_one_that_can_not_tell_allows_nothing(
    status: int, allowed: bool
) -> None:
    assert may_fetch(status, b"User-agent: *\nDisallow:", PAGE) is allowed


def test_of_many_wildcards_one_is_kept_and_the_rule_forbids_more() -> None:
    assert not rules("User-agent: *\nDisallow: /a*t/*/secret")
    assert not rules("User-agent: *\nDisallow: /\nAllow: /*a*b*u*t")


def test_rules_that_would_take_forever_are_read() -> None:
    hostile = "User-agent: *\n" + f"Disallow: /{'a*' * 60}b\n" * 2_000
    assert not rules(hostile, f"https://ferrum.example/{'a' * 1_900}")


def on(site: Any) -> Website:
    return Website(ToolSettings(website_fetch="on", website_allow=site.place))


async def test_a_page_that_is_not_allowed_is_not_asked_for(site: Any) -> None:
    address = site.html("<p>Secret.</p>", "/about")
    site.pages["/robots.txt"] = Response("User-agent: *\nDisallow: /about")
    found = await on(site).fetch(address)
    assert isinstance(found, NotAvailable)
    assert "robots.txt" in found.why
    assert not site.seen


async def test_a_redirect_to_what_is_not_allowed_is_not_followed(site: Any) -> None:
    site.pages["/"] = RedirectResponse("/about")
    site.html("<p>Secret.</p>", "/about")
    site.pages["/robots.txt"] = Response("User-agent: *\nDisallow: /about")
    assert isinstance(await on(site).fetch(site.url()), NotAvailable)
    assert [path for path, _ in site.seen] == ["/"]


async def test_rules_that_were_moved_are_followed_and_a_circle_of_moves_is_as_none(site: Any) -> None:
    address = site.html("<p>Welcome.</p>", "/about")
    site.pages["/robots.txt"] = RedirectResponse("/rules")
    site.pages["/rules"] = Response("User-agent: *\nDisallow: /")
    assert isinstance(await on(site).fetch(address), NotAvailable)
    site.pages["/robots.txt"] = RedirectResponse("/robots.txt")
    assert isinstance(await on(site).fetch(address), Finding)
