"""``/confirm/{token}``: looking changes nothing, the button confirms; so no scanner of links confirms."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from html import escape
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from send_email.consent import Consent
from send_email.links import Links
from signalbox.telemetry import logger

_LOG = logger(__name__)
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",  # the address of the page is the proof
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
    "x-content-type-options": "nosniff",
}
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<h1>{title}</h1><p>{text}</p>{button}</html>"""
_BUTTON: Final = '<form method="post"><button>Yes, it was me</button></form>'


def confirm_routes(consent: Consent, links: Links, clock: Callable[[], datetime]) -> APIRouter:
    """Make the page of the links; whoever has a link is the reader of its mail."""
    routes = APIRouter()

    async def answered(token: str, *, confirm: bool) -> HTMLResponse:
        asked = await asyncio.to_thread(links.asked, token)
        if asked is None:
            return _page(
                "This link is not ours", "Please open it as it stands in the mail.", HTTPStatus.NOT_FOUND
            )
        if await asyncio.to_thread(consent.confirmed, asked.recipient):
            return _page("Thank you", "The address is confirmed.")
        if asked.until <= clock():
            return _page("This link is too old", "Please write to us once more.", HTTPStatus.GONE)
        if not confirm:
            return _page(
                "Was it you?", "Did you fill in our form, and shall we write to you?", button=_BUTTON
            )
        await asyncio.to_thread(consent.confirm, asked.recipient, "recipient", clock())
        _LOG.info("address_confirmed", by="recipient", campaign_id=token.partition(".")[0])
        return _page("Thank you", "The address is confirmed.")

    @routes.get("/confirm/{token}", include_in_schema=False)
    async def look(token: str) -> HTMLResponse:
        return await answered(token, confirm=False)

    @routes.post("/confirm/{token}", include_in_schema=False)
    async def confirm(token: str) -> HTMLResponse:
        return await answered(token, confirm=True)

    return routes


def _page(title: str, text: str, status: HTTPStatus = HTTPStatus.OK, *, button: str = "") -> HTMLResponse:
    content = _PAGE.format(title=escape(title), text=escape(text), button=button)
    return HTMLResponse(content, status.value, headers=_HEADERS)
