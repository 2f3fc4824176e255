"""What stands before a registry in earnest: asks who is there, by basic authentication or a bearer token."""

import base64
import secrets
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Authenticated:
    """Lets a request through whose ``Authorization`` is ``expected()``; counts those that it refuses."""

    def __init__(self, app: ASGIApp, expected: Callable[[], str]) -> None:
        self._app = app
        self._expected = expected
        self.refused = 0
        self.headers: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if secrets.compare_digest(self.headers.get("authorization", ""), self._expected()):
            await self._app(scope, receive, send)
            return
        self.refused += 1
        answer = JSONResponse({"error_code": 401, "message": "Unauthorized"}, status_code=401)
        await answer(scope, receive, send)


def basic(user: str, password: str) -> str:
    """Return the header's value (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TokenEndpoint:
    """An OAuth token endpoint for client credentials (RFC 6749 section 4.4)."""

    def __init__(
        self, client_id: str, client_secret: str, token: Callable[[], str], lasts_s: int = 300
    ) -> None:
        self._expected = basic(client_id, client_secret)
        self._token = token
        self._lasts_s = lasts_s
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.asked += 1
        headers = dict(scope["headers"])
        if headers.get(b"authorization", b"").decode() != self._expected:
            await JSONResponse({"error": "invalid_client"}, status_code=401)(scope, receive, send)
            return
        given = {"access_token": self._token(), "token_type": "Bearer", "expires_in": self._lasts_s}
        await JSONResponse(given)(scope, receive, send)
