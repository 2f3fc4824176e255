"""``GET /mails``: how far the mails are, without anything personal."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from send_email.mails import Progress
from send_email.store import ScheduleStore


def listing_routes(store: ScheduleStore) -> APIRouter:
    """Make the read-only listing: ids, times and statuses, no address, subject or text."""
    routes = APIRouter()

    @routes.get("/mails")
    async def mails(
        lead: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[Progress]:
        """List the mails of one lead, or the first of all, by sending time."""
        return await asyncio.to_thread(store.progress, lead, limit)

    return routes
