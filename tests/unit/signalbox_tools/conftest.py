import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


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
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(2_000):
        if server.started:
            break
        pause.wait(0.005)
    site.port = server.servers[0].sockets[0].getsockname()[1]
    yield site
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def site(_site: Site) -> Site:
    _site.pages.clear()
    _site.seen.clear()
    _site.authorizations.clear()
    return _site
