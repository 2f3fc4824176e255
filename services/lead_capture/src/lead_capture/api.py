"""The HTTP interface for programs: one lead as JSON, many as CSV, and whether a lead is on its way."""

import asyncio
import re
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lead_capture.bodies import FORMS, media_type, read_json, uploaded_csv
from lead_capture.callers import Callers, unauthorized
from lead_capture.capture import Capture
from lead_capture.charges import TooManyLeads
from lead_capture.form import FormPages
from lead_capture.lead import InvalidLead, Problem, Submission, is_lead_id, read_submission
from lead_capture.metrics import CAPTURED, REJECTED
from lead_capture.store import LeadStore
from signalbox.protocol.names import LeadId

_OURS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_JSON: Final = frozenset({"application/json", ""})
_KEY_LIMIT: Final = 255


def lead_routes(capture: Capture, store: LeadStore, pages: FormPages, callers: Callers) -> APIRouter:
    """Make ``POST /leads``, ``POST /leads/import`` and ``GET /leads/{lead_id}``."""
    routes = APIRouter(tags=["leads"])

    @routes.post(
        "/leads", status_code=202, openapi_extra=_body("application/json", Submission.model_json_schema())
    )
    async def post_lead(request: Request) -> Response:
        """Take one lead in. A form's post is answered with a page."""
        kind = media_type(request)
        if kind in FORMS and not await _is_object(request):
            return await pages.answer(request)
        if kind not in _JSON | FORMS and not kind.endswith("+json"):
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send application/json, not {kind}")
        caller = callers.of(request)
        try:
            submission = read_submission(await read_json(request))
            lead_id = await capture.submit(submission, caller, idempotency_key(request))
        except (InvalidLead, TooManyLeads):
            REJECTED.labels("api").inc()
            raise
        CAPTURED.labels("api").inc()
        return JSONResponse({"lead_id": lead_id}, HTTPStatus.ACCEPTED, {"Location": f"/leads/{lead_id}"})

    @routes.post("/leads/import", openapi_extra=_body("text/csv", {"type": "string"}))
    async def import_leads(request: Request) -> dict[str, Any]:
        """Take the good rows of a CSV file in, and say what is wrong with each bad one. Not for strangers."""
        caller = callers.of(request)
        if caller.stranger:
            raise unauthorized("files of leads are taken from callers on this machine or with an API key")
        key = idempotency_key(request)
        async with uploaded_csv(request) as file:
            # Who hangs up wants no answer: reading ends with the rows in hand.
            listening = asyncio.ensure_future(_gone(request))
            try:
                result = await capture.import_csv(file, caller, key, listening.done)
            finally:
                listening.cancel()
        CAPTURED.labels("csv").inc(result.accepted)
        REJECTED.labels("csv").inc(result.rejected)
        return asdict(result)

    @routes.get("/leads/{lead_id}")
    async def lead_state(request: Request, lead_id: str) -> dict[str, Any]:
        """Say when a lead was captured, and when it was published (null: not yet).

        Strangers learn it of ids that can't be guessed: those that were made here.
        """
        told = _OURS.fullmatch(lead_id) if callers.of(request).stranger else is_lead_id(lead_id)
        state = await store.state(LeadId(lead_id)) if told else None
        if state is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no lead has this id")
        return asdict(state)

    return routes


def idempotency_key(request: Request) -> str | None:
    """Return the ``Idempotency-Key`` header; None when there is none."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= _KEY_LIMIT):
        raise InvalidLead(Problem("Idempotency-Key", f"must be 1 to {_KEY_LIMIT} characters"))
    return key


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _is_object(request: Request) -> bool:
    # `curl -d '{…}'` says that it posts a form; no form starts with a brace.
    return (await request.body()).lstrip().startswith(b"{")


def _body(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}
