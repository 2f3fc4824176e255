from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving import served_in_a_thread


@dataclass
class Site:
    """A real web server on loopback, with pages by path; ``seen`` leaves out who asks for robots.txt."""

    pages: dict[str, Response] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.place}{path}"

    def html(self, text: str, path: str = "/") -> str:
        self.pages[path] = Response(text, media_type="text/html")
        return self.url(path)

    async def answer(self, request: Request) -> Response:
        if request.url.path == "/robots.txt":
            return self.pages.get("/robots.txt", Response("none", 404))
        self.authorizations.append(request.headers.get("authorization"))
        self.seen.append((str(request.url.path), str(request.url.query)))
        return self.pages.get(request.url.path, Response("none", 404))


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    site = Site()
    app = Starlette(routes=[Route("/{path:path}", site.answer)])
    with served_in_a_thread(app) as site.port:
        yield site


@pytest.fixture
def site(_site: Site) -> Site:
    _site.pages.clear()
    _site.seen.clear()
    _site.authorizations.clear()
    return _site
