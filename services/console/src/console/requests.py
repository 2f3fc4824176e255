"""Requests as people write them: ``?status=&limit=`` asks for no status and no limit."""

from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Receive, Scope, Send


class EmptyParametersAreAbsent:
    """Leaves query parameters without a value out, before anything reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and scope["query_string"]:
            given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            stated = [(name, value) for name, value in given if value]
            if len(stated) < len(given):
                scope = {**scope, "query_string": urlencode(stated).encode()}
        await self._app(scope, receive, send)
