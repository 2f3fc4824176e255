"""What ``signalbox campaigns`` asks for: HTTP for operators alone, with nothing personal in the answers."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from send_email.campaigns import Campaigns, Wanted
from send_email.consent import Consent
from send_email.mails import CampaignState
from send_email.operator_access import OperatorRoute
from send_email.recipients import Recipient
from signalbox.telemetry import hide_from_logs
from signalbox_agent.problems import Problem

_Text = Annotated[str, Field(min_length=1, max_length=512)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Selected(_Asked):
    """Campaigns by a lead's or a campaign's id, or by the address that they go to."""

    ident: _Text | None = None
    address: _Text | None = None

    def wanted(self) -> Wanted:
        return Wanted(self.ident, None if self.address is None else _recipient(self.address))


class Search(Selected):
    """What to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Cancellation(Selected):
    """What to end, and why."""

    why: Annotated[str, Field(max_length=500)] = ""


class Addressed(_Asked):
    """An address, or ``@domain`` where that is said."""

    address: _Text
    why: Annotated[str, Field(max_length=500)] = ""


def operator_routes(campaigns: Campaigns, consent: Consent, clock: Callable[[], datetime]) -> APIRouter:
    """Make the operator's routes; without the operator's token each answers 401."""
    routes = APIRouter(route_class=OperatorRoute)

    @routes.post("/campaigns/search")
    async def search(asked: Search) -> dict[str, list[CampaignState]]:
        return {"campaigns": await asyncio.to_thread(campaigns.states, asked.wanted(), asked.limit)}

    @routes.post("/campaigns/show")
    async def show(asked: Selected) -> dict[str, Any]:
        wanted = _narrow(asked)
        states = await asyncio.to_thread(campaigns.states, wanted)
        return {"campaigns": states, "mails": await asyncio.to_thread(campaigns.mails, wanted)}

    @routes.post("/campaigns/cancel")
    async def cancel(asked: Cancellation) -> dict[str, list[CampaignState]]:
        wanted = _narrow(asked)
        return {"campaigns": await asyncio.to_thread(campaigns.cancel, wanted, asked.why, clock())}

    @routes.post("/recipients/confirm")
    async def confirm(asked: Addressed) -> dict[str, bool]:
        recipient = _recipient(asked.address)
        return {"changed": await asyncio.to_thread(consent.confirm, recipient, "operator", clock())}

    @routes.post("/recipients/suppress")
    async def suppress(asked: Addressed) -> dict[str, bool]:
        return {"changed": await _told(consent.suppress, asked.address, asked.why, clock())}

    @routes.post("/recipients/unsuppress")
    async def unsuppress(asked: Addressed) -> dict[str, bool]:
        return {"changed": await _told(consent.unsuppress, asked.address)}

    @routes.get("/recipients/suppressions")
    async def suppressions() -> dict[str, list[dict[str, Any]]]:
        return {"suppressions": await asyncio.to_thread(consent.suppressions)}

    return routes


def _narrow(asked: Selected) -> Wanted:
    if (asked.ident is None) == (asked.address is None):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "give either an id, or an address")
    return asked.wanted()


def _recipient(address: str) -> Recipient:
    hide_from_logs([address])
    try:
        return Recipient.of(address)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field="address") from None


async def _told(change: Callable[..., bool], address: str, *more: Any) -> bool:
    hide_from_logs([address])
    try:
        return await asyncio.to_thread(change, address, *more)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field="address") from None
