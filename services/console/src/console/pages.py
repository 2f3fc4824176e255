"""The pages: rendered here, readable without JavaScript, with nothing loaded from elsewhere."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from console.api import known_agents
from console.journey import Status
from console.presence import Presence
from console.queries import DeadLetterFilter, DeadLetterState, Queries, UnknownCursor, dead_letter_position
from signalbox.registry.presence import RegistryPresence

_SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE_SIZE: Final = 100

After = Annotated[str | None, Query()]


def _environment(registry: RegistryPresence) -> Environment:
    environment = Environment(
        loader=PackageLoader("console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["registry"] = registry
    environment.filters["segment"] = lambda text: quote(text, safe="")
    environment.filters["query"] = lambda pairs: urlencode({k: v for k, v in pairs.items() if v is not None})
    environment.filters["moment"] = lambda time: time.strftime("%Y-%m-%d %H:%M:%S")
    environment.filters["decider"] = _decider
    environment.filters["words"] = lambda text: str(text).replace("_", " ")
    return environment


class _Templates:
    """Renders the templates; every page goes out with a policy that lets it load nothing but its styles."""

    def __init__(self, registry: RegistryPresence) -> None:
        self._environment = _environment(registry)

    def page(self, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        html = self._environment.get_template(template).render(**values)
        return HTMLResponse(html, status_code=status_code, headers=_SAFE)

    def missing(self, what: str) -> HTMLResponse:
        return self.page("missing.html", 404, what=what)


def routes(queries: Queries, presence: Presence, registry: RegistryPresence) -> APIRouter:
    """Make the pages; a plain ``def`` is run in a thread, so that no query holds up the others."""
    templates = _Templates(registry)
    pages = APIRouter(include_in_schema=False)

    @pages.get("/")
    def leads(status: Status | None = None, stalled: bool = False, after: After = None) -> Response:
        try:
            found = queries.leads(status, _PAGE_SIZE, after, stalled=stalled)
        except UnknownCursor:
            return templates.missing(f"the lead {after!r} to go on from")
        stats = queries.stats().model_dump()
        return templates.page(
            "leads.html",
            stats=stats,
            statuses=list(Status),
            chosen=status,
            page=found,
            stalled=queries.stalled(),
            only_stalled=stalled,
        )

    @pages.get("/leads/{lead_id:path}")
    def lead(lead_id: str) -> Response:
        found = queries.lead(lead_id)
        if found is None:
            return templates.missing(f"a lead {lead_id!r}; it may not have been taken in yet")
        return templates.page("lead.html", lead=found, person=_shown(found.lead or {}))

    @pages.get("/dead-letters")
    def dead_letters(
        reason: str | None = None, state: DeadLetterState | None = None, after: After = None
    ) -> Response:
        try:
            found = queries.dead_letters(
                reason or None, _PAGE_SIZE, dead_letter_position(after), DeadLetterFilter(state=state)
            )
        except UnknownCursor:
            return templates.missing(f"a dead letter at {after!r}")
        return templates.page(
            "dead_letters.html",
            page=found,
            reasons=queries.reasons(),
            chosen=reason,
            states=[DeadLetterState.OPEN, DeadLetterState.REPLAYED, DeadLetterState.DISCARDED],
            state=state,
        )

    @pages.get("/agents")
    def agents() -> Response:
        return templates.page("agents.html", agents=known_agents(queries, presence))

    stylesheet = files("console").joinpath("templates/console.css").read_text(encoding="utf-8")

    @pages.get("/console.css")
    def styles() -> Response:
        return Response(stylesheet, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    return pages


def _decider(model: str) -> str:
    if model == "offline":
        return "the offline stand-in, which is not an LLM"
    return model or "a rule"


def _shown(content: Mapping[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): str(value) for name, value in content.items() if value is not None}
