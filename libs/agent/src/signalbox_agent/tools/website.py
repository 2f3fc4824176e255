"""A company's page, fetched with care: the address comes from outside."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

import httpx2

from signalbox_agent.tools import robots
from signalbox_agent.tools.findings import Finding, NotAvailable, found_or_not
from signalbox_agent.tools.pages import page_text
from signalbox_agent.tools.places import Place, PlaceRefused, checked_place
from signalbox_agent.tools.settings import ToolSettings

T = TypeVar("T")

KIND: Final = "website"
BYTE_LIMIT: Final = 256 * 1024
_TIMEOUT_S: Final = 5.0
_MOST_REDIRECTS: Final = 3
_ADDRESS_LIMIT: Final = 2_000
_WHY_LIMIT: Final = 300
_CHARSET: Final = re.compile(r"""(?i);\s*charset\s*=\s*["']?([a-z0-9_.:-]{1,40})""")
_READABLE: Final = frozenset({"text/html", "text/plain", "application/xhtml+xml"})
_HEADERS: Final = {
    "user-agent": f"{robots.AGENT} (+https://signalbox.example)",
    "accept": "text/html, text/plain;q=0.9",
    # A small compressed page can unfold to gigabytes; pages come as they are, or not at all.
    "accept-encoding": "identity",
}


class Website:
    """Fetches one page of a company as plain text, of at most 256 KiB, in at most 5 s.

    Only http and https, only public addresses (:mod:`signalbox_agent.tools.places`), and only what the site's
    robots.txt allows (:mod:`signalbox_agent.tools.robots`).
    """

    def __init__(self, settings: ToolSettings) -> None:
        self._on = settings.website_fetch == "on"
        self._allowed = settings.allowed_places

    async def fetch(self, address: str | None) -> Finding | NotAvailable:
        """Return the page's text, or why there is none."""
        where = address or ""
        if not address:
            return NotAvailable(KIND, where, "no website is known")
        if len(address) > _ADDRESS_LIMIT:
            return NotAvailable(KIND, where[:_ADDRESS_LIMIT], "the address is too long")
        if not self._on:
            return NotAvailable(KIND, where, "fetching is switched off; WEBSITE_FETCH=on switches it on")
        return await found_or_not(KIND, where, self._in_time(address))

    async def _in_time(self, where: str) -> Finding | NotAvailable:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._fetch(where)
        except PlaceRefused as error:
            return NotAvailable(KIND, where, str(error))
        except TimeoutError:
            return NotAvailable(KIND, where, f"no answer within {_TIMEOUT_S:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return NotAvailable(
                KIND, where, f"can't be reached: {type(error).__name__}: {error}"[:_WHY_LIMIT]
            )

    async def _fetch(self, address: str) -> Finding | NotAvailable:
        # The environment's proxies are ignored: they would connect to another address than the one checked.
        async with httpx2.AsyncClient(trust_env=False, timeout=_TIMEOUT_S, headers=_HEADERS) as client:
            page = partial(self._page, client, {})
            found = await _followed(client, address, _MOST_REDIRECTS, page, _finding)
        return found or NotAvailable(KIND, address, f"more than {_MOST_REDIRECTS} redirects")

    async def _page(self, client: httpx2.AsyncClient, rules: dict[str, tuple[int, bytes]], url: str) -> Place:
        """Return where a page is; ``rules`` keeps each site's robots.txt.

        Raises:
            PlaceRefused: it must not be connected to, or its site does not allow it.
        """
        place = await self._place(url)
        site = str(httpx2.URL(url).join("/robots.txt"))
        if site not in rules:
            said = await _followed(client, site, robots.MOST_REDIRECTS, self._place, _rules)
            rules[site] = said or robots.NONE
        if not await asyncio.to_thread(robots.may_fetch, *rules[site], url):
            raise PlaceRefused(f"robots.txt of {place.host} does not allow it")
        return place

    async def _place(self, url: str) -> Place:
        return await checked_place(url, self._allowed)


async def _followed(
    client: httpx2.AsyncClient,
    address: str,
    most: int,
    checked: Callable[[str], Awaitable[Place]],
    read: Callable[[str, Place, httpx2.Response], Awaitable[T]],
) -> T | None:
    """Return what ``read`` makes of the answer after ``most`` redirects at most; None when there are more."""
    url = address
    for _ in range(most + 1):
        place = await checked(url)
        async with client.stream("GET", place.url, **place.request()) as response:
            if not response.has_redirect_location:
                return await read(url, place, response)
            url = str(httpx2.URL(url).join(response.headers["location"][:_ADDRESS_LIMIT]))
    return None


async def _rules(_: str, __: Place, response: httpx2.Response) -> tuple[int, bytes]:
    return response.status_code, await _first_bytes(response, robots.BYTE_LIMIT)


async def _finding(url: str, place: Place, response: httpx2.Response) -> Finding | NotAvailable:
    if response.status_code != HTTPStatus.OK:
        return NotAvailable(KIND, url, f"the site answered {response.status_code}")
    content_type = response.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _READABLE:
        return NotAvailable(KIND, url, f"the page is {media_type[:80] or 'of no type'}, not text")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return NotAvailable(KIND, url, "the page is compressed, which was not asked for")
    body = await _first_bytes(response, BYTE_LIMIT)
    charset = _CHARSET.search(content_type[:_WHY_LIMIT])
    page = await asyncio.to_thread(page_text, body, charset and charset[1], html=media_type != "text/plain")
    if not page.text:
        return NotAvailable(KIND, url, "the page has no text")
    return Finding(KIND, url, page.text, title=page.title, facts={"host": place.host})


async def _first_bytes(response: httpx2.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body[:limit])
