"""``POST /messages`` and ``GET /agent``."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from signalbox.telemetry import logger
from signalbox.trust import NO_TOKEN, RequestParts
from signalbox_agent.idempotent_handler import Delivery
from signalbox_agent.posting import JSON, delivery_of
from signalbox_agent.problems import Problem, problem_of, response
from signalbox_agent.service import Service
from signalbox_agent.settings import BODY_LIMIT
from signalbox_agent.store import Answer

_log = logger(__name__)
_TOO_LARGE: Final = f"the body is larger than {BODY_LIMIT} bytes"


def agent_routes() -> APIRouter:
    """Make the routes; the service itself is in ``app.state.service``."""
    routes = APIRouter()

    @routes.post("/messages")
    async def messages(request: Request) -> JSONResponse:
        service: Service = request.app.state.service
        try:
            return await _handled(request, service)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is a problem document
            problem = problem_of(error)
            if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR and problem is not error:
                _log.exception("request_failed")
            return response(problem)

    @routes.get("/agent")
    async def agent(request: Request) -> dict[str, Any]:
        service: Service = request.app.state.service
        model = service.parts.model.name
        return service.definition.model_dump() | {"contracts": service.versions(), "model": model}

    return routes


async def _handled(request: Request, service: Service) -> JSONResponse:
    if "authorization" not in request.headers:  # before a body is read for nothing
        raise Problem(HTTPStatus.UNAUTHORIZED, NO_TOKEN)
    body = await _body(request)
    why_not = service.parts.door.permits(parts_of(request, body))
    if why_not is not None:
        raise Problem(HTTPStatus.UNAUTHORIZED, why_not)
    contracts, handler = service.opened()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    delivery = delivery_of(contracts, media_type, request.headers, request.query_params, body)
    try:
        answers = await handler.take(delivery)
    except Exception as error:
        raise problem_of(error) from error  # the handler has logged it, once for all who wait for it
    content = _content(delivery, answers)
    if media_type == JSON:
        content["records"] = [await contracts.json_of(answer.value) for answer in answers]
    return JSONResponse(content)


def parts_of(request: Request, body: bytes) -> RequestParts:
    """Return a request as it was received: what a token for it has to bind."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope.get("query_string", b"")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    target = path + (b"?" + query if query else b"")
    return RequestParts(request.method, target.decode("latin-1"), headers, body)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
    return bytes(body)


def _content(delivery: Delivery, answers: list[Answer]) -> dict[str, Any]:
    given = [{"id": answer.id, "record_type": answer.record_type} for answer in answers]
    return {"message_id": delivery.envelope.id, "answers": given}
