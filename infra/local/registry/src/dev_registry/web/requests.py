"""Before a route answers: known hosts, paths as they were sent, HEAD, content types, metrics."""

import time
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev_registry.web.protocol import PLAIN_JSON, V1_JSON, error_answer

_PROBED = frozenset({"/healthz", "/readyz", "/metrics"})


class Requests:
    """The counts and times of requests, for /metrics; the route's pattern is the label, never a subject."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self._time = Histogram(
            "registry_request_seconds",
            "Time to answer a request",
            ["method", "route"],
            registry=metrics,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )
        self._count = Counter(
            "registry_requests_total",
            "Requests answered",
            ["method", "route", "status"],
            registry=metrics,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._time.labels(scope["method"], route).observe(seconds)
        self._count.labels(scope["method"], route, status).inc()


class AsSent:
    """Routes by the path as sent, so that a subject may hold an escaped slash; sets the content type.

    A slash at the end changes nothing, and HEAD is GET without its body.
    """

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        path = scope["raw_path"].decode("ascii", "replace").rstrip("/") or "/"
        headless = scope["method"] == "HEAD"
        scope = {**scope, "path": path, "method": "GET" if headless else scope["method"]}
        plain = _wants_plain_json(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if plain:
                    message = {**message, "headers": [_plain(header) for header in message["headers"]]}
                self._requests.answered(scope, message["status"], time.perf_counter() - started)
            elif headless:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, answer)


class KnownHosts:
    """Answers 421 to a request under a name that is not ours: a web page may not read it by DNS rebinding."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = frozenset({"localhost", *names})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _PROBED:
            said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(said) != 1 or not self._is_ours(said[0]):
                await error_answer(421, 421, "Unknown host; ALLOWED_HOSTS lists further names")(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        name = name if colon and port.isdecimal() else host
        return name.lower() in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        return bool(IPv6Address(name[1:-1]) if name.startswith("[") else IPv4Address(name))
    except ValueError:
        return False


def _wants_plain_json(scope: Scope) -> bool:
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    types = {part.partition(";")[0].strip() for part in accept.split(",")}
    return PLAIN_JSON in types and not types & {V1_JSON, "*/*", "application/*"}


def _plain(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return (header[0], PLAIN_JSON.encode()) if header == (b"content-type", V1_JSON.encode()) else header
