"""The HTTP interface for programs: one lead as JSON, many as CSV, and whether a lead is on its way."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lead_capture.bodies import FORMS, media_type, read_json, uploaded_csv
from lead_capture.capture import Capture
from lead_capture.form import FormPages
from lead_capture.lead import InvalidLead, Problem, Submission, read_submission
from lead_capture.metrics import CAPTURED, REJECTED
from lead_capture.store import LeadStore
from signalbox.names import LeadId

_JSON: Final = frozenset({"application/json", ""})
_KEY_LIMIT: Final = 255


def lead_routes(capture: Capture, store: LeadStore, pages: FormPages) -> APIRouter:
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
        try:
            submission = read_submission(await read_json(request))
            lead_id = await capture.submit(submission, idempotency_key(request))
        except InvalidLead:
            REJECTED.labels("api").inc()
            raise
        CAPTURED.labels("api").inc()
        return JSONResponse({"lead_id": lead_id}, HTTPStatus.ACCEPTED, {"Location": f"/leads/{lead_id}"})

    @routes.post("/leads/import", openapi_extra=_body("text/csv", {"type": "string"}))
    async def import_leads(request: Request) -> dict[str, Any]:
        """Take the good rows of a CSV file in, and say what is wrong with each bad one."""
        async with uploaded_csv(request) as file:
            result = await capture.import_csv(file, idempotency_key(request))
        CAPTURED.labels("csv").inc(result.accepted)
        REJECTED.labels("csv").inc(result.rejected)
        return asdict(result)

    @routes.get("/leads/{lead_id}")
    async def lead_state(lead_id: str) -> dict[str, Any]:
        """Say when a lead was captured, and when it was published (null: not yet)."""
        state = await store.state(LeadId(lead_id))
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


async def _is_object(request: Request) -> bool:
    # `curl -d '{…}'` says that it posts a form; no form starts with a brace.
    return (await request.body()).lstrip().startswith(b"{")


def _body(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}
