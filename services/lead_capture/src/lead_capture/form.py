"""The form for people: one page that works without JavaScript."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from lead_capture.bodies import FORMS, media_type, read_form
from lead_capture.callers import Callers
from lead_capture.capture import Capture
from lead_capture.charges import TooManyLeads
from lead_capture.lead import InvalidLead, Problem, read_submission
from lead_capture.metrics import CAPTURED, REJECTED
from lead_capture.problems import shown
from signalbox.protocol.errors import Unavailable

_TOKEN: Final = "form_token"
_NOT_OF_THE_LEAD: Final = frozenset({_TOKEN, "lead_id"})
"""People don't choose ids: what a form posts as one is no part of the lead, whoever posts it."""
_MOST_ERRORS: Final = 20
_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form: its label, its input type, and what the browser may fill in."""

    name: str
    label: str
    kind: str = "text"
    autocomplete: str = "off"
    required: bool = True
    hint: str = ""
    limit: int = 200


_FIELDS: Final = (
    Field("name", "Your name", autocomplete="name"),
    Field("email", "Work e-mail", "email", "email", limit=254),
    Field("company_name", "Company", autocomplete="organization"),
    Field("job_title", "Job title", autocomplete="organization-title"),
    Field("company_website", "Company website", "url", "url", False, "Starts with https://", 2048),
    Field("project_description", "What are you working on?", "textarea", required=False, limit=20_000),
    Field("lead_source", "How did you hear about us?"),
)
_START: Final = {"lead_source": "Website form"}


class FormPages:
    """Shows the form, with what is wrong beside each field, and the page that says thank you."""

    def __init__(self, capture: Capture, callers: Callers, console_url: str | None) -> None:
        self._capture = capture
        self._callers = callers
        self._console_url = (console_url or "").rstrip("/")
        self._pages = Environment(
            loader=PackageLoader("lead_capture", "pages"), autoescape=True, undefined=StrictUndefined
        )

    def blank(self) -> Response:
        """Show the empty form."""
        return self._form(_START)

    async def answer(self, request: Request) -> Response:
        """Take a posted form in, or show it again with its values and what is wrong with them."""
        posted: Mapping[str, str] = {}
        caller = self._callers.of(request)
        try:
            posted = await read_form(request)
            fields = {name: value for name, value in posted.items() if name not in _NOT_OF_THE_LEAD}
            submission = read_submission(fields)
            # The token makes a double click, or a reload of the answer, the same lead; what was changed
            # after going back is another one.
            key = f"{posted[_TOKEN]}:{submission.model_dump_json()}" if posted.get(_TOKEN) else None
            lead_id = await self._capture.submit(submission, caller, key)
        except InvalidLead as error:
            REJECTED.labels("form").inc()
            return self._form(posted, error.problems, HTTPStatus.UNPROCESSABLE_ENTITY)
        except TooManyLeads as error:
            REJECTED.labels("form").inc()
            sorry = Problem("", "We have had many requests like this one. Please try again later.")
            page = self._form(posted, (sorry,), HTTPStatus.TOO_MANY_REQUESTS)
            page.headers["Retry-After"] = str(error.seconds)
            return page
        except Unavailable:
            sorry = Problem("", "We can't save your request right now. Please try again in a minute.")
            return self._form(posted, (sorry,), HTTPStatus.SERVICE_UNAVAILABLE)
        CAPTURED.labels("form").inc()
        link = f"{self._console_url}/leads/{lead_id}" if self._console_url else ""
        return self._page("thanks.html", HTTPStatus.ACCEPTED, lead_id=lead_id, link=link)

    def _form(
        self,
        values: Mapping[str, str],
        problems: tuple[Problem, ...] = (),
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        known = {field.name for field in _FIELDS}
        return self._page(
            "form.html",
            status,
            fields=_FIELDS,
            values=values,
            errors={bad.field: bad.detail for bad in problems if bad.field in known},
            other_errors=[
                shown(f"{shown(bad.field)} {bad.detail}".strip(), 500)
                for bad in problems
                if bad.field not in known
            ][:_MOST_ERRORS],
            token=values.get(_TOKEN) or str(uuid.uuid4()),
        )

    def _page(self, template: str, status: HTTPStatus, **context: Any) -> Response:
        text = self._pages.get_template(template).render(context)
        return HTMLResponse(text, status, _SECURITY)


def form_routes(pages: FormPages) -> APIRouter:
    """Make ``GET /``, ``POST /`` and the style sheet."""
    routes = APIRouter(include_in_schema=False)
    style = files("lead_capture").joinpath("pages/style.css").read_bytes()

    @routes.get("/")
    async def show() -> Response:
        return pages.blank()

    @routes.post("/")
    async def post(request: Request) -> Response:
        if media_type(request) not in FORMS:
            return Response(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return await pages.answer(request)

    @routes.get("/style.css")
    async def style_sheet() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    return routes
